// Who a test speaks as: "anonymous", "citizen:<name>", "staff:<username>", "partner:<client_id>". Tokens are fetched once per name.
import { randomUUID } from 'node:crypto';

export class Principals {
	#tokens = new Map();

	constructor(client, demo) {
		this.client = client;
		this.demo = demo;
	}

	/** Authorization header of a principal; empty for anonymous. */
	async headers(as = 'anonymous') {
		if (as === 'anonymous') return {};
		if (!this.#tokens.has(as)) this.#tokens.set(as, this.#signIn(as));
		return { authorization: `Bearer ${await this.#tokens.get(as)}` };
	}

	/** Scopes in the token; empty when it is not a JWT. */
	async scopes(as) {
		const { authorization = '' } = await this.headers(as);
		try {
			const claims = JSON.parse(Buffer.from(authorization.split('.')[1], 'base64url').toString('utf8'));
			return String(claims.scope ?? '').split(' ').filter(Boolean);
		} catch { return []; }
	}

	/** Every principal that the demo data offers, plainest first. */
	known() {
		return ['citizen:probe', ...(this.demo.partners ?? []).map((p) => `partner:${p.client_id}`), ...(this.demo.staff ?? []).map((s) => `staff:${s.username}`)];
	}

	/** One that holds none of the scopes, or null. */
	async without(scopes) {
		for (const as of this.known()) if (!(await this.scopes(as)).some((scope) => scopes.includes(scope))) return as;
		return null;
	}

	async #signIn(as) {
		const [kind, ...rest] = as.split(':');
		const name = rest.join(':');
		const sign = {
			citizen: () => this.client.post('/v1/auth/wechat', { code: `demo-${name}` }),
			staff: () => this.client.post('/v1/auth/staff', { username: name, password: this.#find('staff', 'username', name).password }),
			partner: () => {
				const { client_id: id, client_secret: secret } = this.#find('partners', 'client_id', name);
				const basic = Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64');
				return this.client.request('POST', '/oauth/token', { body: 'grant_type=client_credentials', headers: { authorization: `Basic ${basic}`, 'content-type': 'application/x-www-form-urlencoded', 'idempotency-key': randomUUID() } });
			},
		}[kind];
		if (!sign) throw new Error(`nobody is called "${as}"`);
		const answer = await sign();
		if (answer.status !== 200 || !answer.json?.access_token) throw new Error(`${as} cannot sign in: ${answer.status} ${answer.text.slice(0, 300)}`);
		return answer.json.access_token;
	}

	#find(list, key, name) {
		const found = (this.demo[list] ?? []).find((entry) => entry[key] === name);
		if (!found) throw new Error(`demo.json has no ${list} entry "${name}"`);
		return found;
	}
}
