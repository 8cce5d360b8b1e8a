#ifndef SERVICES_DONATIONS_BILL_H
#define SERVICES_DONATIONS_BILL_H

#include "common/core/arena.h"
#include "common/core/buf.h"

/* WeChat Pay's bills of a day: CSV with a backtick before each cell, a header, and a summary that must agree with the rows. Pure. */

enum {
	BILL_PACKED_BYTES_MAX = 4 * 1024 * 1024, /* as downloaded, compressed */
	BILL_BYTES_MAX = 8 * 1024 * 1024, /* about 30,000 payments */
	BILL_LINES_BYTES_MAX = 6 * 1024 * 1024,
	BILL_SHA1_TEXT_BYTES = 40,
};

enum bill_kind { BILL_TRADE, BILL_FUND };

enum bill_fault {
	BILL_OK,
	BILL_WRONG_HASH, /* not the bytes that the signed reply promised */
	BILL_TRUNCATED, /* ends before its summary, or the summary counts more rows */
	BILL_GARBAGE, /* not a bill, or a summary that does not sum */
	BILL_TOO_LARGE,
};

struct bill_totals {
	int64_t lines;
	int64_t paid_fen, refunded_fen; /* trade bill: as its summary says; fund bill: what came in, what went out */
};

/** Text of the reason, as it stands in the database. */
const char *bill_fault_name(enum bill_fault fault);

/**
 * Unpacks what was downloaded (gzip, or the text itself) and compares its SHA-1, in lower-case hex, with what was promised. `text` lives
 * as long as the arena. May run in any thread.
 */
MUST_USE enum bill_fault bill_open(struct arena *a, struct str packed, struct str sha1_hex, struct str *text);

/**
 * Reads a whole bill. `lines` gets a JSON array with an array for each row: kind (PAYMENT, REFUND, FEE, OTHER), merchant's order number,
 * transaction id, merchant's refund number, refund id, state, amount in fen, fee in thousandths of a fen, time as "YYYY-MM-DD HH:MM:SS".
 * Of a fund bill: the voucher stands for the order number, the amount is negative when it went out. Nothing of the payer is taken.
 */
MUST_USE enum bill_fault bill_read(enum bill_kind kind, struct str text, struct buf *lines, struct bill_totals *totals);

/** "12.34" or "-0.05000" as thousandths of a fen; false for anything else. */
bool bill_yuan(struct str text, int64_t *milli_fen);

/** Nothing, or a number as platforms give them: may stand in JSON as it is. */
bool bill_is_number(struct str text);
/** "YYYY-MM-DD HH:MM:SS", and there is such a day. */
bool bill_is_time(struct str text);

#endif
