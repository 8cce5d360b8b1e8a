/* The step tables: in which order things happen. What the steps do stands in flow_*.c. */
#include "services/transparency/transparency.h"

static const struct step log_append[] = {
	{ "load", append_load },
	{ "sign", append_sign }, /* then commit: a checkpoint is served from the database only */
	{ "watch", append_watch },
	{ "show", append_show },
	{ "rest", append_rest },
	{ "end", append_end },
};

static const struct step log_witness[] = {
	{ "load", witness_load }, /* of one of them, in turn */
	{ "ask", witness_ask },
	{ "read", witness_read },
	{ "saved", witness_saved },
};

static const struct step obligation_watch[] = {
	{ "query", watch_query },
	{ "show", watch_show },
};

static const struct step log_tile_get[] = {
	{ "find", tile_find },
	{ "answer", tile_answer },
};

static const struct step gift_proof_get[] = {
	{ "leaves", proof_leaves },
	{ "edge", proof_edge }, /* of a checkpoint that is not in memory yet */
	{ "tiles", proof_tiles }, /* that are not in memory */
	{ "answer", proof_answer }, /* or all that memory has is forgotten and read again */
	{ "edge again", proof_edge },
	{ "tiles again", proof_tiles },
	{ "answer again", proof_answer },
};

static const struct step log_get[] = {
	{ "load", log_load },
	{ "answer", log_answer },
};

static const struct flow flows[] = {
	{ "log_append", log_append, ARRAY_LEN(log_append), sizeof(struct append_state) },
	{ "log_witness", log_witness, ARRAY_LEN(log_witness), sizeof(struct witness_state) },
	{ "obligation_watch", obligation_watch, ARRAY_LEN(obligation_watch), 0 },
	{ "log_tile_get", log_tile_get, ARRAY_LEN(log_tile_get), 0 },
	{ "log_bundle_get", log_tile_get, ARRAY_LEN(log_tile_get), 0 },
	{ "log_entries_get", log_tile_get, ARRAY_LEN(log_tile_get), 0 },
	{ "gift_proof_get", gift_proof_get, ARRAY_LEN(gift_proof_get), sizeof(struct proof_state) },
	{ "log_get", log_get, ARRAY_LEN(log_get), 0 },
};

static const struct job jobs[] = { { "log_append", 10 }, { "log_witness", 1000 }, { "obligation_watch", 60000 } };
static const char *const consumes[] = { "donations", "transparency" };

const struct service_def transparency = { .name = "transparency",
	.flows = flows,
	.flow_count = ARRAY_LEN(flows),
	.jobs = jobs,
	.job_count = ARRAY_LEN(jobs),
	.start = transparency_start,
	.consumes = consumes,
	.consumes_count = ARRAY_LEN(consumes),
	.exchange_bytes_max = 16 << 20 /* RECEIPTS_MAX tiles at once */ };
