/* Tiles and bundles as C2SP tlog-tiles names them: exactly those that the signed log has, in any width that it had. */
#include "services/transparency/transparency.h"

#include "common/core/id.h"

enum next tile_find(struct request *r)
{
	struct str level = request_value(r, "path.level"), rest = request_value(r, "path.rest");
	struct tile tile;
	if (!level.p) level = STR("entries");
	struct str path = arena_printf(request_arena(r), "tile/%.*s/%.*s", STR_FMT(level), STR_FMT(rest));
	if (!path.p || tile_read_path(path, &tile) != ERR_NONE || tile.index > INT64_MAX / TILE_WIDTH / TILE_WIDTH)
		return request_fail(r, ERR_NOT_FOUND, NULL);
	request_set_i64(r, "flow.level", tile.level);
	request_set_i64(r, "flow.tile", (int64_t)tile.index);
	request_set_i64(r, "flow.width", tile.width);
	return request_query(r, tile.level == TILE_ENTRIES ? "log_tile_entries" : "log_tile_hashes");
}

enum next tile_answer(struct request *r)
{
	struct str hex = request_rows(r) ? request_column(r, 0, "bytes") : STR_NONE;
	if (!hex.p) return request_fail(r, ERR_NOT_FOUND, NULL);
	char *bytes = arena_alloc(request_arena(r), hex.n / 2 + 1);
	if (!bytes) return request_fail(r, ERR_MEMORY, NULL);
	if (!id_unhex(hex, bytes, hex.n / 2)) return request_fail(r, ERR_INTERNAL, NULL);
	return request_answer_raw(r, 0, STR("application/octet-stream"), str_span(bytes, hex.n / 2));
}
