#ifndef SERVICES_TRANSPARENCY_TRANSPARENCY_H
#define SERVICES_TRANSPARENCY_TRANSPARENCY_H

#include "common/core/map.h"
#include "common/crypto/note.h"
#include "common/crypto/tile.h"
#include "common/service/service.h"

/* A leaf is signed within this time of its event: what we promise, and an alert holds us to. */
enum { MERGE_DELAY_MOST_S = 60 };

/* Who is asked to cosign each checkpoint (C2SP tlog-witness), after having seen that it continues the one before. */
enum { WITNESSES_MAX = 16 };
struct witness {
	struct note_key key;
	struct str url;
	int64_t seen; /* leaves of the log that it last cosigned, as it says itself; -1: see our table */
};

/* table.c: the tree in memory. A checkpoint with what its proofs share: */
struct edge {
	struct merkle_edge tree;
	char *text; /* malloc; NULL: none. It holds: */
	struct str note; /* as a JSON string, with the lines of the witnesses */
	struct str mark; /* what it is known by */
};
enum { TABLE_EDGES = 8 };
struct table {
	const struct note_key *key; /* whose signature a checkpoint must have */
	size_t bytes_max;
	struct lru tiles; /* of struct tile_nodes */
	struct edge edges[TABLE_EDGES]; /* the oldest goes first */
	unsigned edge_next;
};
void table_init(struct table *t, const struct note_key *key, size_t bytes_max);
void table_free(struct table *t);
/* Empties it. */
void table_forget(struct table *t);
/* A node of the tree (as merkle_reader names them), until the next call; NULL when its tile is not here, or not as wide. */
const struct merkle_hash *table_node(struct table *t, unsigned level, uint64_t index);
/* Keeps a tile, given in hexadecimal. False, and nothing is to be relied on, when it cannot be one. */
bool table_put(struct table *t, unsigned level, uint64_t tile, struct str hex);
/* NULL when it is not here. Valid until the next one is put. */
const struct edge *table_edge(const struct table *t, struct str mark);
/* Keeps a checkpoint whose partial tiles have been put; one that is here stays as it is. Fails: ERR_NOT_FOUND when one has not, ERR_CRYPTO when the note is not signed by the log or of another tree, ERR_MEMORY. */
MUST_USE enum err table_put_edge(struct table *t, struct arena *a, struct str mark, uint64_t size, struct str note);

/* What the flows of this service share: service_context(). */
struct transparency {
	struct note_key key;
	struct str verifier_key;
	struct witness witnesses[WITNESSES_MAX];
	unsigned witness_count, witness_next;
	struct table table;
	int64_t *witness_ahead;
	int64_t *waiting, *merge_delay_s, *refused, *size, *disagreement;
	int64_t *overdue; /* job obligation_watch */
};

extern const struct service_def transparency;

/* settings.c */
MUST_USE enum err transparency_start(struct service *s, struct arena *boot, void **context);

/* spans.c: the hashes that an append works on: of each level of tiles those from the beginning of its last tile on. */
struct span {
	uint64_t first;
	unsigned count, cap;
	unsigned char *bytes; /* count × SHA256_BYTES */
};
struct spans {
	uint64_t size; /* leaves */
	struct span level[TILE_LEVEL_MAX + 1];
};
/* Room for `more` leaves in a log of `size`, empty yet. Fails: ERR_MEMORY. */
MUST_USE enum err spans_init(struct spans *s, struct arena *a, uint64_t size, unsigned more);
/* The bytes of the partial tile of a level. False unless they are as many as `size` says. */
bool spans_fill(struct spans *s, unsigned level, struct str hex);
/* Adds a leaf, and the nodes that it completes. */
void spans_append(struct spans *s, const struct merkle_hash *leaf);
/* A merkle_reader. */
enum err spans_read(void *spans, unsigned level, uint64_t index, struct merkle_hash *out);

/* tiles.c: a merkle_reader over tiles of a query */
struct tiles {
	const struct json *list;
	struct arena *a;
};
enum err tiles_read(void *tiles, unsigned level, uint64_t index, struct merkle_hash *out);

/* flow_watch.c: job obligation_watch */
enum next watch_query(struct request *r);
enum next watch_show(struct request *r);

/* flow_append.c: job log_append */
struct append_state {
	bool full; /* more may wait */
};
enum next append_load(struct request *r);
enum next append_sign(struct request *r);
enum next append_watch(struct request *r);
enum next append_show(struct request *r);
enum next append_rest(struct request *r);
enum next append_end(struct request *r);

/* flow_tile.c */
enum next tile_find(struct request *r);
enum next tile_answer(struct request *r);

/* flow_proof.c */
struct receipt;
struct proof_state {
	struct receipt *receipts; /* NULL: the leaves have not come yet */
	unsigned count;
	int64_t size;
	struct str mark; /* of the checkpoint that they are proved in */
	bool asked; /* the last step waited for the database */
	bool refused; /* what came as the checkpoint was none */
	bool again;
};
enum next proof_leaves(struct request *r);
enum next proof_edge(struct request *r);
enum next proof_tiles(struct request *r);
enum next proof_answer(struct request *r);

/* flow_witness.c: job log_witness */
struct witness_state {
	struct witness *witness;
	struct str note;
	int64_t size;
};
enum next witness_load(struct request *r);
enum next witness_ask(struct request *r);
enum next witness_read(struct request *r);
enum next witness_saved(struct request *r);

/* flow_log.c */
enum next log_load(struct request *r);
enum next log_answer(struct request *r);

#endif
