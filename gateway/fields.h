#ifndef GATEWAY_FIELDS_H
#define GATEWAY_FIELDS_H

#include "common/http/message.h"

/* Which fields cross the gateway. Pure. */

/** Members of all Connection fields as one list, in the arena if there are several; absent when only "close" and "keep-alive" are named. */
struct str fields_connection(struct arena *a, struct http_fields fields);
/** False when more is named than a connection has options: each member is looked for in each field. 512 bytes, 32 members. */
bool fields_connection_fits(struct http_fields fields);
/**
 * Takes out of a request what its Connection fields name: nobody in the gateway sees then what the service would not (a cache key, a
 * retry, a rule must not hang on it). Fails: ERR_HEADERS_TOO_LARGE (too much is named), ERR_MEMORY.
 */
MUST_USE enum err fields_drop_named(struct arena *a, struct http_fields *fields);
/**
 * True when a client's field goes on to the service. Hop-by-hop fields do not, nor does anything the gateway itself says
 * (X-Yangguang-*, X-Forwarded-*, trace, credentials): a client cannot forge it.
 */
bool fields_pass_request(struct str name, struct str connection);
/** True when a service's field goes on to the client as it is; false too for those the server writes itself (Date, Content-Length, …). */
bool fields_pass_reply(struct str name, struct str connection);

#endif
