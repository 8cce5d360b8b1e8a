#ifndef GATEWAY_LIMIT_ADDRESS_RULES_H
#define GATEWAY_LIMIT_ADDRESS_RULES_H

#include "common/core/buf.h"
#include "common/core/err.h"
#include "gateway/limit/networks.h"

/* YG_ADDRESS_RULES: who is served at all, and what only some are served. A YAML file; gateway/README.md has its keys. */

enum { ADDRESS_NETWORKS_MAX = 65536, ADDRESS_PLACES_MAX = 256 };

/** An operation by its id, or a plain proxy route by its name, and who may come there. */
struct address_place {
	struct str name;
	struct networks only;
};

struct address_rules {
	struct arena arena; /* of address_rules_load */
	struct networks deny;
	struct address_place *places;
	unsigned place_count;
};

/** What names may be said: `has` is asked for each. */
struct address_names {
	bool (*has)(void *arg, struct str name);
	void *arg;
};

/** Reads text in memory; faults are written to `report`, one line each. Fails: ERR_CONFIG, ERR_MEMORY. */
MUST_USE enum err address_rules_read(struct arena *a, struct str text, const char *name, struct address_names names,
    struct address_rules *out, struct buf *report);
/** Reads the file; every fault is logged. Fails: ERR_CONFIG, ERR_MEMORY, ERR_IO. */
MUST_USE enum err address_rules_load(const char *path, struct address_names names, struct address_rules **out);
/** NULL is fine. */
void address_rules_free(struct address_rules *r);
/** `place`: as in struct address_place; absent: a page of the gateway's own, or nothing that is known. */
bool address_rules_allow(const struct address_rules *r, struct str place, struct str address);

#endif
