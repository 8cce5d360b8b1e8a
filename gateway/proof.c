/*
 * A request signed by a partner, checked cheapest first: form, a key known to be none, time, coverage and nonce, the body's digest,
 * the key (which may have to be asked for), the signature, and last the nonce, which is used up with that. Only then is it anybody's.
 */
#include "gateway/request.h"

#include "common/core/clock.h"

struct proof {
	struct message_signature signature;
	struct caller caller; /* who it will be once the nonce is claimed */
};

void proof_open(struct gateway *g)
{
	static const struct str names[PROOF_OUTCOMES] = { { "accepted", 8 }, { "refused", 7 }, { "replayed", 8 },
		{ "undecided", 9 } };
	public_url_read(&g->boot, g->settings.public_url, &g->public_url);
	for (int i = 0; i < PROOF_OUTCOMES; i++) {
		struct metric_label label = { "outcome", names[i] };
		g->signatures[i] =
		    metrics_counter(g->metrics, "yg_signatures_total", "Requests signed by partners.", &label, 1);
	}
}

static enum next refuse(struct request *r, enum err e, struct proof_fault fault)
{
	++*r->gateway->signatures[e == ERR_SIGNATURE_REPLAYED ? PROOF_REPLAYED : PROOF_REFUSED];
	return fault.en ? request_fail_detail(r, e, fault.en, fault.zh) : request_fail(r, e);
}

static enum next refuse_key(struct request *r)
{
	return refuse(
	    r, ERR_SIGNATURE_INVALID, (struct proof_fault){ "No such key may sign now.", "没有可用于签名的该密钥。" });
}

static enum next refuse_undecided(struct request *r)
{
	++*r->gateway->signatures[PROOF_UNDECIDED];
	r->problem.retry_after_s = 1;
	return request_fail_detail(
	    r, ERR_UNAVAILABLE, "The signature cannot be checked at the moment.", "暂时无法核验签名。");
}

static void woken_by_key(struct credential_wait *w)
{
	steps_run(CONTAINER_OF(w, struct request, wait.credential), AT_BODY);
}

static void woken_by_nonce(struct nonce_wait *w)
{
	steps_run(CONTAINER_OF(w, struct request, wait.nonce), AT_BODY);
}

/* Everything that needs no key. */
static enum err read_proof(struct request *r, struct proof_fault *fault)
{
	struct http_exchange *x = r->x;
	struct message_signature *s = &r->proof->signature;
	enum err e = signature_read(&x->arena, x->fields, s);
	if (e == ERR_SYNTAX || (e == ERR_NONE && s->keyid.p && !signing_keys_well_formed(s->keyid))) {
		*fault = (struct proof_fault){
			"Signature-Input and Signature must hold one signature, the same one, well-formed.",
			"Signature-Input 与 Signature 必须包含同一个格式正确的签名，且只能有一个。"
		};
		return ERR_SIGNATURE_INVALID;
	}
	TRY(e);
	return proof_rules(s, x->fields, x->body.n > 0, clock_wall_s(), fault);
}

enum next proof_begin(struct request *r)
{
	struct proof_fault fault = { NULL, NULL };
	struct signing_key key;
	struct signing_keys *keys = r->gateway->signing_keys;
	if (r->operation->access == ACCESS_TOKEN && !(r->operation->schemes & SCHEME_SIGNATURE))
		return refuse(r, ERR_SIGNATURE_INVALID,
		    (struct proof_fault){ "This operation takes no signatures.", "此接口不接受签名请求。" });
	r->proof = ARENA_NEW(&r->x->arena, struct proof);
	if (!r->proof) return request_fail(r, ERR_MEMORY);
	enum err e = read_proof(r, &fault);
	if (e != ERR_NONE) return refuse(r, e, fault);
	struct str keyid = r->proof->signature.keyid;
	enum err known = signing_keys_get(keys, keyid, clock_wall_s(), &key);
	if (known == ERR_SIGNATURE_INVALID) return refuse_key(r);
	e = proof_digest(&r->x->arena, r->x->fields, r->x->body);
	if (e != ERR_NONE) return refuse(r, e, fault);
	if (known == ERR_NONE) return NEXT_STEP;
	r->wait.credential.wake = woken_by_key;
	r->wait.credential.outcome = ERR_NONE;
	return signing_keys_ask(keys, keyid, &r->wait.credential) == ERR_NONE ? NEXT_WAIT : refuse_undecided(r);
}

static enum err verify(struct request *r, const struct signing_key *key)
{
	const struct public_url *u = &r->gateway->public_url;
	const struct message_signature *s = &r->proof->signature;
	struct http_exchange *x = r->x;
	struct str base, path = x->path;
	if (!str_eq(s->alg, key->alg)) return ERR_SIGNATURE_INVALID;
	if (u->path.n) path = arena_printf(&x->arena, "%.*s%.*s", STR_FMT(u->path), STR_FMT(x->path));
	struct signed_message m = { .method = x->method,
		.scheme = u->scheme,
		.authority = u->authority,
		.path = path,
		.query = x->query,
		.fields = x->fields };
	enum err e = signature_base(&x->arena, s, &m, &base);
	if (e != ERR_NONE) return e == ERR_SYNTAX ? ERR_SIGNATURE_INVALID : e;
	return key_verify(key->key, base, s->bytes);
}

static enum next claim(struct request *r)
{
	unsigned char digest[SHA256_BYTES];
	proof_nonce(&r->proof->signature, r->x->fields, &r->gateway->scratch, digest);
	r->wait.nonce = (struct nonce_wait){ .outcome = ERR_UNAVAILABLE, .wake = woken_by_nonce };
	return nonces_claim(r->gateway->nonces, digest, &r->wait.nonce) == ERR_NONE ? NEXT_WAIT : refuse_undecided(r);
}

enum next proof_check(struct request *r)
{
	struct gateway *g = r->gateway;
	struct signing_key key;
	int64_t now_s = clock_wall_s();
	enum err e = signing_keys_get(g->signing_keys, r->proof->signature.keyid, now_s, &key);
	if (e == ERR_RETRY) return refuse_undecided(r);
	if (e != ERR_NONE) return refuse_key(r);
	e = credentials_vouch(g->credentials, &r->x->arena, key.principal, now_s, &r->proof->caller);
	if (e == ERR_TOKEN_EXPIRED || e == ERR_TOKEN_INVALID) return refuse_key(r);
	if (e == ERR_UNAVAILABLE) return refuse_undecided(r);
	if (e == ERR_NONE) e = verify(r, &key);
	if (e != ERR_NONE) return refuse(r, e, (struct proof_fault){ NULL, NULL });
	return claim(r);
}

enum next proof_claimed(struct request *r)
{
	if (r->credential.kind != CREDENTIAL_SIGNATURE) return NEXT_STEP;
	enum err e = r->wait.nonce.outcome;
	if (e == ERR_SIGNATURE_REPLAYED)
		return refuse(r, e,
		    (struct proof_fault){ "Every request needs a signature of its own: a new nonce, or a new created.",
			"每个请求须单独签名：更换 nonce 或 created。" });
	if (e != ERR_NONE) return refuse_undecided(r);
	++*r->gateway->signatures[PROOF_ACCEPTED];
	r->caller = r->proof->caller;
	r->known = true;
	return NEXT_STEP;
}
