// Stand-in for a witness of the public log (C2SP tlog-witness, tlog-cosignature v1), on node:crypto alone: it cosigns a checkpoint only
// when it continues the one that it cosigned last, and writes down what it has seen before it answers. `misbehave`: slow, error, forge,
// garbage, until set to ''.
import crypto from 'node:crypto';
import fs from 'node:fs';
import { apiServer, listen, readBody, shut, sleep } from './shared.mjs';

const NODE = Buffer.from([1]);
const digest = (...parts) => crypto.createHash('sha256').update(Buffer.concat(parts)).digest();
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/** RFC 9162, 2.1.4.2. */
export function continues(first, second, firstRoot, secondRoot, given) {
	if (first === 0) return given.length === 0;
	if (first === second) return given.length === 0 && firstRoot.equals(secondRoot);
	if (first > second || given.length === 0) return false;
	const proof = Number.isInteger(Math.log2(first)) ? [firstRoot, ...given] : [...given];
	let [fn, sn] = [first - 1, second - 1];
	while (fn & 1) { fn >>= 1; sn >>= 1; }
	let fr = proof[0];
	let sr = proof[0];
	for (const c of proof.slice(1)) {
		if (sn === 0) return false;
		if ((fn & 1) || fn === sn) {
			fr = digest(NODE, c, fr);
			sr = digest(NODE, c, sr);
			while (!(fn & 1) && fn !== 0) { fn >>= 1; sn >>= 1; }
		} else {
			sr = digest(NODE, sr, c);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn === 0 && fr.equals(firstRoot) && sr.equals(secondRoot);
}

const idOf = (name, raw) => digest(Buffer.from(`${name}\n`), raw).subarray(0, 4);

export class Witness {
	constructor(name, stateFile) {
		const { privateKey, publicKey } = crypto.generateKeyPairSync('ed25519');
		const raw = Buffer.concat([Buffer.from([4]), publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)]);
		Object.assign(this, { name, stateFile, privateKey, misbehave: '', refusals: [] });
		this.id = idOf(name, raw);
		this.key = `${name}+${this.id.toString('hex')}+${raw.toString('base64')}`;
	}

	get state() { return fs.existsSync(this.stateFile) ? JSON.parse(fs.readFileSync(this.stateFile, 'utf8')) : { size: 0, root: '' }; }

	/** The logs it knows, by their verifier keys. */
	knows(logKey) {
		const [name, , base64] = logKey.split('+').length === 3 ? logKey.split('+') : [logKey.split('+')[0], '', logKey.split('+').slice(2).join('+')];
		this.log = { name, raw: Buffer.from(base64, 'base64') };
	}

	#isSigned(text, lines) {
		const key = crypto.createPublicKey({ key: Buffer.concat([SPKI, this.log.raw.subarray(1)]), format: 'der', type: 'spki' });
		const id = idOf(this.log.name, this.log.raw);
		return lines.some((line) => {
			const [dash, name, base64] = line.split(' ');
			const bytes = Buffer.from(base64 ?? '', 'base64');
			return dash === '—' && name === this.log.name && bytes.subarray(0, 4).equals(id) && crypto.verify(null, Buffer.from(text), key, bytes.subarray(4));
		});
	}

	/** [status, body] of POST /add-checkpoint. */
	add(body) {
		const [head, text0, signatures] = body.split('\n\n');
		const [first, ...proof] = head.split('\n');
		const old = Number(/^old (\d+)$/.exec(first)?.[1] ?? NaN);
		const text = `${text0}\n`;
		const [origin, sizeText, root] = text0.split('\n');
		const size = Number(sizeText);
		if (Number.isNaN(old) || old > size) return [400, ''];
		if (origin !== this.log.name) return [404, ''];
		if (!this.#isSigned(text, signatures.split('\n'))) return [403, ''];
		const state = this.state;
		if (old !== state.size) return [409, `${state.size}\n`];
		if (!continues(old, size, Buffer.from(state.root, 'base64'), Buffer.from(root, 'base64'), proof.map((p) => Buffer.from(p, 'base64')))) return [422, ''];
		fs.writeFileSync(this.stateFile, JSON.stringify({ size, root }));
		const time = Math.floor(Date.now() / 1000);
		const seconds = Buffer.alloc(8);
		seconds.writeBigUInt64BE(BigInt(time));
		const signature = crypto.sign(null, Buffer.from(`cosignature/v1\ntime ${time}\n${text}`), this.privateKey);
		if (this.misbehave === 'forge') signature[5] ^= 1;
		return [200, `— ${this.name} ${Buffer.concat([this.id, seconds, signature]).toString('base64')}\n`];
	}

	async start(keys, port) {
		this.server = apiServer({ cert: keys.server_cert_file, key: keys.server_key_file }, async (request, response) => {
			const body = (await readBody(request)).toString('utf8');
			if (this.misbehave === 'slow') await sleep(8000);
			const [status, text] = this.misbehave === 'error' ? [500, ''] : this.misbehave === 'garbage' ? [200, '— \n\n\u0000'] : request.url === '/add-checkpoint' ? this.add(body) : [404, ''];
			if (status !== 200) this.refusals.push(status);
			response.writeHead(status, { 'Content-Type': status === 409 ? 'text/x.tlog.size' : 'text/plain; charset=utf-8' });
			response.end(text);
		});
		await listen(this.server, `127.0.0.1:${port}`);
	}

	stop() { return shut(this.server); }
}
