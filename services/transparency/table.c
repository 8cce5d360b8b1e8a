/*
 * The tree in memory, as far as proofs have asked for it: tiles with their inner nodes, the least recently used goes first, and the
 * newest checkpoints with what all proofs in them share. Both are only a copy: nothing of them is given away before it has been
 * verified against a root that our own key has signed.
 */
#include "services/transparency/transparency.h"

#include <stdlib.h>

#include "common/core/id.h"

enum { KEY_BYTES = sizeof(uint64_t) }; /* the level in the upper eight bits */

struct tile_key {
	uint64_t packed;
};

static struct str key_of(struct tile_key *k, unsigned level, uint64_t tile)
{
	k->packed = (uint64_t)level << 56 | tile;
	return str_span((const char *)&k->packed, KEY_BYTES);
}

static void tiles_empty(struct table *t)
{
	size_t most = t->bytes_max / sizeof(struct tile_nodes);
	lru_init(&t->tiles, most ? most : 1, KEY_BYTES, sizeof(struct tile_nodes));
}

void table_init(struct table *t, const struct note_key *key, size_t bytes_max)
{
	*t = (struct table){ .key = key, .bytes_max = bytes_max };
	tiles_empty(t);
}

static void edge_free(struct edge *e)
{
	free(e->text);
	*e = (struct edge){ .text = NULL };
}

void table_free(struct table *t)
{
	lru_free(&t->tiles);
	for (unsigned i = 0; i < TABLE_EDGES; i++) edge_free(&t->edges[i]);
}

void table_forget(struct table *t)
{
	table_free(t);
	tiles_empty(t);
}

const struct merkle_hash *table_node(struct table *t, unsigned level, uint64_t index)
{
	struct tile_key key;
	unsigned height = level % TILE_HEIGHT;
	uint64_t first = index << height;
	const struct tile_nodes *tile = lru_get(&t->tiles, key_of(&key, level / TILE_HEIGHT, first / TILE_WIDTH));
	return tile ? tile_nodes_get(tile, height, (unsigned)(first % TILE_WIDTH) >> height) : NULL;
}

bool table_put(struct table *t, unsigned level, uint64_t tile, struct str hex)
{
	struct tile_key key;
	char bytes[TILE_BYTES];
	if (level > TILE_LEVEL_MAX || tile >= (uint64_t)1 << 56 || hex.n == 0 || hex.n > 2 * sizeof bytes) return false;
	if (!id_unhex(hex, bytes, hex.n / 2)) return false;
	return tile_nodes_fill(lru_put(&t->tiles, key_of(&key, level, tile)), str_span(bytes, hex.n / 2));
}

const struct edge *table_edge(const struct table *t, struct str mark)
{
	for (unsigned i = 0; i < TABLE_EDGES; i++)
		if (t->edges[i].text && str_eq(t->edges[i].mark, mark)) return &t->edges[i];
	return NULL;
}

/* Reads the partial tiles of the edge; a level without one has no subtree of its heights there. */
static enum err read_edge(void *table, unsigned level, uint64_t index, struct merkle_hash *out)
{
	const struct merkle_hash *node = table_node(table, level, index);
	if (!node) return ERR_NOT_FOUND;
	*out = *node;
	return ERR_NONE;
}

/* The note must be the log's own, and of this tree. */
static bool is_signed(const struct table *t, struct arena *a, struct str text, const struct merkle_edge *tree)
{
	struct note note;
	struct checkpoint c;
	if (note_read(a, text, &note) != ERR_NONE || note_check(&note, t->key, NULL) != NOTE_SIGNED) return false;
	if (checkpoint_read(note.text, &c) != ERR_NONE || !str_eq(c.origin, t->key->name)) return false;
	return c.size == tree->size && merkle_equal(&c.root, &tree->root);
}

enum err table_put_edge(struct table *t, struct arena *a, struct str mark, uint64_t size, struct str note)
{
	struct edge *e = &t->edges[t->edge_next];
	struct buf text;
	struct json_writer w;
	edge_free(e);
	TRY(merkle_edge_read(read_edge, t, size, &e->tree));
	if (!is_signed(t, a, note, &e->tree)) return ERR_CRYPTO;
	buf_init(&text, 8 * NOTE_BYTES_MAX);
	json_write_init(&w, &text);
	json_put_str(&w, note);
	size_t note_bytes = buf_view(&text).n;
	buf_str(&text, mark);
	struct str all = buf_view(&text);
	if (buf_ok(&text) && (e->text = malloc(all.n))) {
		memcpy(e->text, all.p, all.n);
		e->note = str_span(e->text, note_bytes);
		e->mark = str_span(e->text + note_bytes, all.n - note_bytes);
		t->edge_next = (t->edge_next + 1) % TABLE_EDGES;
	}
	buf_free(&text);
	return e->text ? ERR_NONE : ERR_MEMORY;
}
