#ifndef SERVICES_DONATIONS_DAY_LIST_H
#define SERVICES_DONATIONS_DAY_LIST_H

#include "services/donations/bill.h"

/*
 * The receipt platform's list of a day, in lines of comma-separated cells: "DAY,2026-11-26", a line for each number given that day, and
 * "END,<lines>,<fen of receipts>,<fen of red letters>", which must agree with them. Pure.
 *   ISSUE|REVERSAL, request number, order number, code, number, check code, fen, ISSUED|VOIDED, time, request number of the original
 */
enum { DAY_LIST_BYTES_MAX = 6 * 1024 * 1024 }; /* about 30,000 receipts */

/** `lines` gets a JSON array with an array of these cells for each line; fen is a number. May run in any thread. */
MUST_USE enum bill_fault day_list_read(struct str text, struct str day, struct buf *lines);

#endif
