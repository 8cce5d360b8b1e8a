// The checks of yangguang-verify for web pages and mini-programs: no dependencies, no files, no network. README.md says what is checked.
// Everything is computed here, SHA-256 too (mini-programs have no WebCrypto, and a million small hashes would wait on promises);
// only Ed25519 is WebCrypto's, or the `ed25519(publicKey, message, signature)` that the caller gives.

const LEVELS_MAX = 63;
const TILE_WIDTH = 256;
const ENTRY_BYTES_MAX = 0xffff;
const NOTE_BYTES_MAX = 65536;
const SIGNATURES_MAX = 32;
const PROOF_MAX = 64;

class Refusal extends Error {
	constructor(check, text) {
		super(text);
		this.check = check;
	}
}
const no = (check, text) => { throw new Refusal(check, text); };
const cannot = (text) => no('files', text);

async function verdict(work) {
	try {
		return { answer: 'yes', check: '', text: await work() };
	} catch (error) {
		if (!(error instanceof Refusal)) throw error;
		return { answer: error.check === 'files' ? 'cannot' : 'no', check: error.check, text: error.message };
	}
}

// ---- Bytes and text

export function utf8Encode(text) {
	const out = [];
	for (const symbol of text) {
		const c = symbol.codePointAt(0);
		if (c < 0x80) out.push(c);
		else if (c < 0x800) out.push(0xc0 | c >> 6, 0x80 | c & 63);
		else if (c < 0x10000) out.push(0xe0 | c >> 12, 0x80 | c >> 6 & 63, 0x80 | c & 63);
		else out.push(0xf0 | c >> 18, 0x80 | c >> 12 & 63, 0x80 | c >> 6 & 63, 0x80 | c & 63);
	}
	return Uint8Array.from(out);
}

/** Null unless it is well-formed UTF-8 (no surrogates, no overlong forms). */
export function utf8Decode(bytes) {
	const least = [0, 0, 0x80, 0x800, 0x10000];
	let out = '';
	for (let i = 0; i < bytes.length;) {
		const first = bytes[i];
		const n = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : 0;
		if (n === 0 || i + n > bytes.length) return null;
		let c = n === 1 ? first : first & (0x7f >> n);
		for (let j = 1; j < n; j += 1) {
			if ((bytes[i + j] & 0xc0) !== 0x80) return null;
			c = c << 6 | bytes[i + j] & 63;
		}
		if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return null;
		out += String.fromCodePoint(c);
		i += n;
	}
	return out;
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Null unless the text is the one spelling of its bytes. */
export function base64Decode(text) {
	if (typeof text !== 'string' || text.length % 4 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null;
	const body = text.replace(/=+$/, '');
	const out = new Uint8Array(Math.floor(body.length * 3 / 4));
	let bits = 0, held = 0, n = 0;
	for (const c of body) {
		bits = (bits << 6 | BASE64.indexOf(c)) & 0xffffff;
		held += 6;
		if (held < 8) continue;
		held -= 8;
		out[n] = bits >> held & 0xff;
		n += 1;
	}
	if (body.length % 4 === 1 || bits & (1 << held) - 1) return null;
	return out;
}

const hexOf = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');

function unhex(text, n) {
	if (typeof text !== 'string' || text.length !== 2 * n || !/^[0-9a-fA-F]*$/.test(text)) return null;
	return Uint8Array.from({ length: n }, (_, i) => parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

function equal(a, b) {
	if (a.length !== b.length) return false;
	for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return false;
	return true;
}

function join(...parts) {
	const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
	let at = 0;
	for (const p of parts) {
		out.set(p, at);
		at += p.length;
	}
	return out;
}

// ---- SHA-256 (FIPS 180-4)

const K = new Int32Array(64);
const START = new Int32Array(8);
{ // the fractional parts of the cube and square roots of the first primes
	const fraction = (x) => Math.floor((x - Math.floor(x)) * 0x100000000) | 0;
	for (let n = 2, count = 0; count < 64; n += 1) {
		let prime = true;
		for (let d = 2; d * d <= n; d += 1) if (n % d === 0) prime = false;
		if (!prime) continue;
		if (count < 8) START[count] = fraction(Math.sqrt(n));
		K[count] = fraction(Math.cbrt(n));
		count += 1;
	}
}
const W = new Int32Array(64);

function block(h, p, at) {
	for (let i = 0; i < 16; i += 1) W[i] = p[at + 4 * i] << 24 | p[at + 4 * i + 1] << 16 | p[at + 4 * i + 2] << 8 | p[at + 4 * i + 3];
	for (let i = 16; i < 64; i += 1) {
		const x = W[i - 15], y = W[i - 2];
		const s0 = (x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3;
		const s1 = (y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10;
		W[i] = W[i - 16] + s0 + W[i - 7] + s1 | 0;
	}
	let a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], k = h[7];
	for (let i = 0; i < 64; i += 1) {
		const s1 = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
		const t1 = k + s1 + (e & f ^ ~e & g) + K[i] + W[i] | 0;
		const s0 = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10);
		const t2 = s0 + (a & b ^ a & c ^ b & c) | 0;
		k = g; g = f; f = e; e = d + t1 | 0;
		d = c; c = b; b = a; a = t1 + t2 | 0;
	}
	h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e; h[5] += f; h[6] += g; h[7] += k;
}

export function sha256(bytes) {
	const h = Int32Array.from(START);
	const whole = bytes.length & ~63;
	for (let at = 0; at < whole; at += 64) block(h, bytes, at);
	const rest = bytes.length - whole;
	const tail = new Uint8Array(rest < 56 ? 64 : 128);
	tail.set(bytes.subarray(whole));
	tail[rest] = 0x80;
	const view = new DataView(tail.buffer);
	view.setUint32(tail.length - 8, Math.floor(bytes.length / 0x20000000));
	view.setUint32(tail.length - 4, bytes.length << 3 >>> 0);
	for (let at = 0; at < tail.length; at += 64) block(h, tail, at);
	const out = new Uint8Array(32);
	for (let i = 0; i < 8; i += 1) {
		out[4 * i] = h[i] >>> 24; out[4 * i + 1] = h[i] >>> 16; out[4 * i + 2] = h[i] >>> 8; out[4 * i + 3] = h[i];
	}
	return out;
}

// ---- Merkle trees (RFC 9162). Sizes are Numbers: 2^53 leaves are enough, and shifts are divisions.

const half = (n) => Math.floor(n / 2);
export const leafHash = (data) => sha256(join([0], data));
export const nodeHash = (left, right) => sha256(join([1], left, right));

export class Tree {
	size = 0;
	levels = [];
	append(hash) {
		let level = 0, carry = hash;
		for (let n = this.size; n % 2 === 1; n = half(n), level += 1) carry = nodeHash(this.levels[level], carry);
		this.levels[level] = carry;
		this.size += 1;
	}
	root() {
		let made = null;
		for (let level = 0, n = this.size; n > 0; n = half(n), level += 1) {
			if (n % 2 === 1) made = made ? nodeHash(this.levels[level], made) : this.levels[level];
		}
		return made ?? sha256(new Uint8Array(0));
	}
}

function* climb(node, last, proof) { // each sibling, and whether it stands left
	for (const sibling of proof) {
		if (last === 0) return yield null;
		const right = node % 2 === 1 || node === last;
		if (right) while (node % 2 === 0 && node !== 0) { node = half(node); last = half(last); }
		yield [sibling, right];
		node = half(node);
		last = half(last);
	}
	if (last !== 0) yield null;
}

export function includes(proof, index, leaf, size, root) {
	if (index >= size || proof.length > PROOF_MAX) return false;
	let made = leaf;
	for (const step of climb(index, size - 1, proof)) {
		if (!step) return false;
		made = step[1] ? nodeHash(step[0], made) : nodeHash(made, step[0]);
	}
	return equal(made, root);
}

export function extendsTree(proof, oldSize, oldRoot, size, root) {
	if (oldSize > size || proof.length > PROOF_MAX) return false;
	if (oldSize === size) return proof.length === 0 && equal(oldRoot, root);
	if (oldSize === 0) return proof.length === 0 && equal(oldRoot, sha256(new Uint8Array(0)));
	let node = oldSize - 1, last = size - 1;
	while (node % 2 === 1) { node = half(node); last = half(last); }
	const [first, ...rest] = node === 0 ? [oldRoot, ...proof] : proof; /* a power of two: the old root is the first node */
	if (!first) return false;
	let old = first, made = first;
	for (const step of climb(node, last, rest)) {
		if (!step) return false;
		if (step[1]) old = nodeHash(step[0], old);
		made = step[1] ? nodeHash(step[0], made) : nodeHash(made, step[0]);
	}
	return equal(old, oldRoot) && equal(made, root);
}

// ---- JSON, strictly: no duplicate members, well-formed strings without U+0000, bounded depth. Objects become Maps, numbers keep their text.

class Literal {
	constructor(text) { this.text = text; }
}

class Parser {
	constructor(text, depthMax, blanks) { Object.assign(this, { text, depthMax, blanks, at: 0 }); }
	fail() { throw new SyntaxError(); }
	skip() {
		if (this.blanks) while (' \n\r\t'.includes(this.text[this.at] ?? '?')) this.at += 1;
	}
	take(pattern) {
		pattern.lastIndex = this.at;
		const found = pattern.exec(this.text);
		if (!found) this.fail();
		this.at = pattern.lastIndex;
		return found[0];
	}
	string() {
		const made = JSON.parse(this.take(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y));
		if (made.includes('\0') || /\p{Surrogate}/u.test(made)) this.fail();
		return made;
	}
	sequence(close, item) {
		this.at += 1;
		this.skip();
		if (this.text[this.at] === close) { this.at += 1; return; }
		for (;;) {
			item();
			this.skip();
			const c = this.text[this.at];
			this.at += 1;
			if (c === close) return;
			if (c !== ',') this.fail();
			this.skip();
		}
	}
	object(depth) {
		const out = new Map();
		this.sequence('}', () => {
			const name = this.text[this.at] === '"' ? this.string() : this.fail();
			if (out.has(name)) this.fail();
			this.skip();
			if (this.text[this.at] !== ':') this.fail();
			this.at += 1;
			out.set(name, this.value(depth));
		});
		return out;
	}
	array(depth) {
		const out = [];
		this.sequence(']', () => out.push(this.value(depth)));
		return out;
	}
	value(depth) {
		this.skip();
		const c = this.text[this.at];
		if (c === '"') return this.string();
		if (c === '{' || c === '[') {
			if (depth + 1 > this.depthMax) this.fail();
			return c === '{' ? this.object(depth + 1) : this.array(depth + 1);
		}
		if (c === 't' || c === 'f' || c === 'n') return { true: true, false: false, null: null }[this.take(/true|false|null/y)];
		return new Literal(this.take(/-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y));
	}
	whole() {
		const made = this.value(0);
		this.skip();
		if (this.at !== this.text.length) this.fail();
		return made;
	}
}

/** Undefined when it is not JSON of this kind. */
function parseJson(text, depthMax, blanks) {
	if (typeof text !== 'string') return undefined;
	try {
		return new Parser(text, depthMax, blanks).whole();
	} catch (error) {
		if (error instanceof SyntaxError) return undefined;
		throw error;
	}
}

/** A plain integer within ±(2^53 - 1), or null. */
function integer(v) {
	if (!(v instanceof Literal) || !/^-?[0-9]+$/.test(v.text) || v.text === '-0') return null;
	return Number.isSafeInteger(Number(v.text)) ? Number(v.text) : null;
}

// ---- Leaves

const HEAD = ['v', 'type', 'id', 'at', 'recorded_at', 'subject'];
const PARTS = ['data', 'commitments', 'postings', 'links'];
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const isId = (s) => typeof s === 'string' && UUID.test(s) && /[1-9a-f]/.test(s);
const isName = (s) => typeof s === 'string' && s !== '' && !/[\u0000-\u0020\u007f]/.test(s) && utf8Encode(s).length <= 128;
const isAccount = (s) => isName(s) && /^[a-z]+:./su.test(s);

function isTime(s) {
	const m = typeof s === 'string' && s.length <= 32 && /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?\+08:00$/.exec(s);
	if (!m) return false;
	const [year, month, day, hour, minute, second] = m.slice(1).map(Number);
	const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
	const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
	if (!days || day < 1 || day > days || hour > 23 || minute > 59) return false;
	return second < 60 || (second === 60 && hour === 7 && minute === 59);
}

function integersOnly(v) {
	if (v instanceof Literal) return integer(v) !== null;
	if (v instanceof Map) return [...v.values()].every(integersOnly);
	return Array.isArray(v) ? v.every(integersOnly) : true;
}

function isPosting(p) {
	if (!(p instanceof Map) || [...p.keys()].join() !== 'account,fen') return false;
	return isAccount(p.get('account')) && !!integer(p.get('fen'));
}

const partIs = {
	data: (v) => v instanceof Map && integersOnly(v),
	commitments: (v) => v instanceof Map && v.size > 0 && [...v].every(([name, hex]) => isName(name) && typeof hex === 'string' && /^[0-9a-f]{64}$/.test(hex)),
	postings: (v) => Array.isArray(v) && v.length > 0 && v.length <= 256 && v.every(isPosting),
	links: (v) => Array.isArray(v) && v.length > 0 && v.length <= 256 && v.every(isId),
};

/** The leaf as a Map, or a text that says what is wrong with it. */
export function readLeaf(bytes) {
	const leaf = parseJson(utf8Decode(bytes), 32, false);
	if (!(leaf instanceof Map)) return 'it is not JSON in the permitted form';
	const names = [...leaf.keys()];
	if (names.slice(0, HEAD.length).join() !== HEAD.join() || integer(leaf.get('v')) !== 1) return 'its first members are not those of a leaf';
	const type = leaf.get('type');
	if (typeof type !== 'string' || type.length > 128 || !/^[a-z_]+\.[a-z_]+$/.test(type)) return 'its type is malformed';
	if (!isId(leaf.get('id'))) return 'its id is no lower-case uuid';
	if (!isTime(leaf.get('at')) || !isTime(leaf.get('recorded_at'))) return 'a time is malformed';
	if (!isName(leaf.get('subject'))) return 'its subject is malformed';
	let order = -1;
	for (const name of names.slice(HEAD.length)) {
		if (PARTS.indexOf(name) <= order) return 'it has an unknown member or one out of order';
		order = PARTS.indexOf(name);
		if (!partIs[name](leaf.get(name))) return `its ${name} are malformed`;
	}
	return leaf;
}

// ---- Keys, notes, checkpoints

const NAME = /^[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000+]+$/u;
const isKeyName = (s) => NAME.test(s) && utf8Encode(s).length <= 255;

export function readKey(text) {
	const [name, id, ...rest] = text.trim().split('+');
	const bytes = base64Decode(rest.join('+'));
	const ok = isKeyName(name) && bytes?.length === 33 && (bytes[0] === 1 || bytes[0] === 4);
	if (!ok || id !== hexOf(sha256(join(utf8Encode(`${name}\n`), bytes)).subarray(0, 4))) cannot(`${text} is no key (name+id+base64)`);
	return { name, id, witness: bytes[0] === 4, key: bytes.subarray(1) };
}

async function webCryptoEd25519(publicKey, message, signature) {
	const key = await globalThis.crypto.subtle.importKey('raw', publicKey, 'Ed25519', false, ['verify']);
	return globalThis.crypto.subtle.verify('Ed25519', key, signature, message);
}

export function readNote(message) {
	const bytes = typeof message === 'string' ? utf8Encode(message) : message;
	const text = bytes.length <= NOTE_BYTES_MAX ? utf8Decode(bytes) : null;
	const at = text?.lastIndexOf('\n\n') ?? -1;
	if (at < 0 || !text.endsWith('\n') || /[\u0000-\u0009\u000b-\u001f]/.test(text)) return null;
	const lines = text.slice(at + 2, -1).split('\n');
	const signatures = [];
	for (const line of lines) {
		const m = /^\u2014 ([^ ]+) ([^ ]{1,4096})$/u.exec(line);
		const raw = m && isKeyName(m[1]) ? base64Decode(m[2]) : null;
		if (!raw || raw.length <= 4) return null;
		signatures.push({ name: m[1], id: hexOf(raw.subarray(0, 4)), bytes: raw.subarray(4) });
	}
	return text.length > at + 2 && signatures.length <= SIGNATURES_MAX ? { text: text.slice(0, at + 1), signatures } : null;
}

/** 'signed', 'unsigned' or 'forged'. */
async function checkNote(note, key, ed25519) {
	let answer = 'unsigned';
	for (const s of note.signatures) {
		if (s.name !== key.name || s.id !== key.id) continue;
		let signature = s.bytes, signedText = note.text;
		if (key.witness) {
			if (s.bytes.length !== 72) return 'forged';
			const view = new DataView(s.bytes.buffer, s.bytes.byteOffset);
			const time = BigInt(view.getUint32(0)) << 32n | BigInt(view.getUint32(4));
			if (time === 0n || time >> 63n) return 'forged';
			signature = s.bytes.subarray(8);
			signedText = `cosignature/v1\ntime ${time}\n${note.text}`;
		}
		if (signature.length !== 64 || !await ed25519(key.key, utf8Encode(signedText), signature)) return 'forged';
		answer = 'signed';
	}
	return answer;
}

export function readCheckpoint(text) {
	const [origin, size, root, ...extensions] = text.split('\n');
	const hash = base64Decode(root ?? '');
	if (!origin || !/^(0|[1-9][0-9]*)$/.test(size ?? '') || hash?.length !== 32) return null;
	if (extensions.pop() !== '' || extensions.includes('') || extensions.length > 16) return null;
	return { origin, size: Number(size), root: hash };
}

function readTrust(options) {
	const log = readKey(options.key);
	const witnesses = (options.witnesses ?? []).map(readKey);
	if (log.witness || witnesses.some((w) => !w.witness)) cannot('a key is of the wrong kind');
	return { log, witnesses, ed25519: options.ed25519 ?? webCryptoEd25519 };
}

async function openCheckpoint(trust, message, what) {
	const note = readNote(message) ?? no('checkpoint-form', `${what} is not a signed note`);
	const answer = await checkNote(note, trust.log, trust.ed25519);
	if (answer === 'unsigned') no('checkpoint-key', `${what} is not signed with the key of ${trust.log.name} that was given`);
	if (answer === 'forged') no('checkpoint-signature', `the signature under ${what} is not right`);
	const checkpoint = readCheckpoint(note.text) ?? no('checkpoint-form', `${what} is not a checkpoint`);
	if (checkpoint.origin !== trust.log.name) no('checkpoint-origin', `${what} is of another log: ${checkpoint.origin}`);
	if (!Number.isSafeInteger(checkpoint.size)) cannot('the log is too large for this program');
	for (const w of trust.witnesses) if (await checkNote(note, w, trust.ed25519) !== 'signed') no('witness', `${what} is not rightly cosigned by ${w.name}`);
	return checkpoint;
}

// ---- One receipt

function readReceipt(text) {
	const r = parseJson(text, 4, true);
	if (!(r instanceof Map) || integer(r.get('v')) !== 1) no('receipt-form', 'the receipt is not an object of version 1');
	const leaf = r.get('leaf'), index = integer(r.get('index')), proof = r.get('proof');
	if (typeof leaf !== 'string' || utf8Encode(leaf).length > ENTRY_BYTES_MAX) no('receipt-form', '"leaf" is not its text');
	if (typeof r.get('checkpoint') !== 'string') no('receipt-form', '"checkpoint" is not a text');
	if (index === null || index < 0) no('receipt-form', '"index" is not a whole number');
	const hashes = Array.isArray(proof) && proof.length <= PROOF_MAX ? proof.map(base64Decode) : [null];
	if (hashes.some((h) => h?.length !== 32)) no('receipt-form', '"proof" is not a list of base64 hashes');
	return { leaf: utf8Encode(leaf), index, checkpoint: r.get('checkpoint'), proof: hashes, openings: r.get('openings') ?? new Map() };
}

function checkOpenings(leaf, openings) {
	if (!(openings instanceof Map)) no('receipt-form', '"openings" is not an object');
	for (const [name, opening] of openings) {
		const salt = opening instanceof Map ? unhex(opening.get('salt'), 16) : null;
		if (!salt || typeof opening.get('value') !== 'string') no('receipt-form', 'an opening lacks its salt or value');
		const value = utf8Encode(opening.get('value'));
		if (value.length > 4096) no('receipt-form', 'an opening lacks its salt or value');
		if (leaf.get('commitments')?.get(name) !== hexOf(sha256(join(salt, value)))) no('commitment', `the leaf does not commit to this value of ${name}`);
	}
}

/** Is the leaf of this receipt (JSON text) in the log? options: {key, witnesses?, ed25519?}. Answers {answer: yes|no|cannot, check, text}. */
export const verifyReceipt = (text, options) => verdict(async () => {
	const trust = readTrust(options);
	const r = readReceipt(text);
	const c = await openCheckpoint(trust, r.checkpoint, "the receipt's checkpoint");
	if (!includes(r.proof, r.index, leafHash(r.leaf), c.size, c.root)) no('inclusion', `this leaf is not the one at place ${r.index} of the signed log`);
	const leaf = readLeaf(r.leaf);
	if (typeof leaf === 'string') no('leaf-form', `the leaf is logged, but ${leaf}`);
	checkOpenings(leaf, r.openings);
	return `${leaf.get('type')} of ${leaf.get('subject')} is leaf ${r.index} of the ${c.size} that ${c.origin} has signed`;
});

// ---- The whole log

export function tilePath(level, index, width) {
	const digits = String(index).padStart(Math.ceil(String(index).length / 3) * 3, '0').match(/.{3}/g);
	const last = digits.pop();
	return `tile/${level}/${digits.map((d) => `x${d}/`).join('')}${last}${width < TILE_WIDTH ? `.p/${width}` : ''}`;
}

async function readTile(read, level, index, width) {
	const exact = await read(tilePath(level, index, width));
	if (exact || width === TILE_WIDTH) return { bytes: exact, longer: false };
	return { bytes: await read(tilePath(level, index, TILE_WIDTH)), longer: true };
}

class Fold {
	ids = new Set();
	balances = new Map();
	count = 0;
	add(bytes) {
		const leaf = readLeaf(bytes);
		if (typeof leaf === 'string') no('leaf-form', `leaf ${this.count}: ${leaf}`);
		for (const link of leaf.get('links') ?? []) if (!this.ids.has(link)) no('leaf-link', `leaf ${this.count} links to ${link}, which is no earlier leaf`);
		if (this.ids.has(leaf.get('id'))) no('leaf-id', `leaf ${this.count} has the id ${leaf.get('id')} of an earlier one`);
		let sum = 0n;
		for (const p of leaf.get('postings') ?? []) {
			const fen = integer(p.get('fen')), account = p.get('account');
			const balance = (this.balances.get(account) ?? 0) + fen;
			if (!Number.isSafeInteger(balance)) no('postings', `leaf ${this.count} moves ${account} out of range`);
			this.balances.set(account, balance);
			sum += BigInt(fen);
		}
		if (sum !== 0n) no('postings', `the postings of leaf ${this.count} sum to ${sum} fen, not to 0`);
		this.ids.add(leaf.get('id'));
		this.count += 1;
	}
	compare(items) {
		const published = new Set();
		for (const item of items) {
			const account = item instanceof Map ? item.get('account') : null, fen = item instanceof Map ? integer(item.get('fen')) : null;
			if (typeof account !== 'string' || fen === null) no('balances-form', 'an item of the balances lacks account or fen');
			if (published.has(account)) no('balances-form', `${account} is published twice`);
			published.add(account);
			const made = this.balances.get(account) ?? 0;
			if (made !== fen) no('balance', `${account} is published with ${fen} fen; its postings make ${made} fen`);
		}
		for (const [account, fen] of this.balances) if (fen !== 0 && !published.has(account)) no('balance', `${account} is not published; its postings make ${fen} fen`);
	}
}

function readBalances(bytes, size) {
	const root = parseJson(utf8Decode(bytes), 8, true);
	const items = root instanceof Map ? root.get('items') : null, position = root instanceof Map ? integer(root.get('log_size')) : null;
	if (!Array.isArray(items) || position === null || position < 0) no('balances-form', 'balances.json lacks "items" or "log_size"');
	if (position > size) no('balances-size', `the balances are of ${position} leaves, the checkpoint is of ${size} only`);
	return { items, position };
}

class Audit {
	tree = new Tree();
	fold = new Fold();
	fault = null;
	differs = null;
	constructor(now, seen, balances) { Object.assign(this, { now, seen, balances }); }
	later(work) { // what a leaf or balance says counts only once the root is known to be right
		if (this.fault) return;
		try {
			work();
		} catch (error) {
			if (!(error instanceof Refusal)) throw error;
			this.fault = error;
		}
	}
	position() {
		if (this.fold.count === this.balances.position && !this.compared) this.later(() => { this.compared = true; this.fold.compare(this.balances.items); });
		if (this.seen?.size > 0 && this.tree.size === this.seen.size && !equal(this.tree.root(), this.seen.root)) no('fork', `the first ${this.seen.size} leaves are not those that the log signed before`);
	}
	bundle(bytes, width, longer, hashes) {
		let at = 0;
		for (let i = 0; i < width; i += 1) {
			const n = bytes.length - at < 2 ? Infinity : bytes[at] << 8 | bytes[at + 1];
			if (n > bytes.length - at - 2) no('entries', `entry ${this.tree.size} of ${this.now.size} is missing or cut short`);
			const entry = bytes.subarray(at + 2, at + 2 + n);
			const hash = leafHash(entry);
			const beside = hashes?.subarray(32 * i, 32 * i + 32);
			if (beside?.length === 32 && this.differs === null && !equal(beside, hash)) this.differs = this.tree.size;
			this.tree.append(hash);
			this.later(() => this.fold.add(entry));
			this.position();
			at += 2 + n;
		}
		if (at !== bytes.length && !longer) no('entries', `there is more than there should be behind entry ${this.tree.size}`);
	}
	finish() {
		const where = this.differs === null ? '' : `; the first wrong one is ${this.differs}`;
		if (!equal(this.tree.root(), this.now.root)) no('root', `the entries do not make the root that was signed${where}`);
		if (this.differs !== null) no('tile', `the tile of entry ${this.differs} holds another hash`);
		if (this.fault) throw this.fault;
		return `${this.now.size} leaves make the signed root, and every balance at position ${this.balances.position} is their sum`;
	}
}

/**
 * Do all leaves make the checkpoint's root and the published balances? `read(path)` gives the bytes of 'checkpoint', 'balances.json',
 * 'tile/entries/…' and, if there, 'tile/0/…', or null. options: as of verifyReceipt, and `seen`: an earlier checkpoint's text.
 */
export const verifyAll = (read, options) => verdict(async () => {
	const trust = readTrust(options);
	const need = async (path) => await read(path) ?? cannot(`${path} is missing`);
	const now = await openCheckpoint(trust, await need('checkpoint'), 'checkpoint');
	const seen = options.seen ? await openCheckpoint(trust, options.seen, 'the checkpoint seen before') : null;
	if (seen && seen.size > now.size) no('rolled-back', `the log had ${seen.size} leaves and now has ${now.size}`);
	const audit = new Audit(now, seen, readBalances(await need('balances.json'), now.size));
	audit.position();
	for (let index = 0; index * TILE_WIDTH < now.size; index += 1) {
		const width = Math.min(TILE_WIDTH, now.size - index * TILE_WIDTH);
		const entries = await readTile(read, 'entries', index, width);
		if (!entries.bytes) cannot(`${tilePath('entries', index, width)} is missing`);
		const hashes = await readTile(read, 0, index, width);
		audit.bundle(entries.bytes, width, entries.longer, hashes.bytes);
	}
	return audit.finish();
});

// ---- Two checkpoints

/** The root of the complete subtree of 2^level leaves at this index, from the tiles of a log of `size` leaves. */
async function readNode(read, size, level, index) {
	const tileLevel = Math.floor(level / 8), count = 2 ** (level % 8), hash = index * count;
	const tile = Math.floor(hash / TILE_WIDTH), first = hash % TILE_WIDTH;
	const width = Math.min(TILE_WIDTH, Math.floor(size / 2 ** (8 * tileLevel)) - tile * TILE_WIDTH);
	const { bytes } = await readTile(read, tileLevel, tile, width);
	if (!bytes) cannot(`${tilePath(tileLevel, tile, width)} is missing`);
	if (bytes.length < width * 32 || bytes.length % 32) no('tile', `${tilePath(tileLevel, tile, width)} is not as long as it should be`);
	const tree = new Tree();
	for (let i = first; i < first + count; i += 1) tree.append(bytes.subarray(32 * i, 32 * i + 32));
	return tree.root();
}

/** Root of n leaves from `first` on, where `first` is where RFC 9162 would split. */
async function rangeRoot(read, size, first, n) {
	let made = null, end = first + n;
	for (let level = 0, rest = n; rest > 0 && level < LEVELS_MAX; rest = half(rest), level += 1) {
		if (rest % 2 === 0) continue;
		end -= 2 ** level;
		const node = await readNode(read, size, level, end / 2 ** level);
		made = made ? nodeHash(node, made) : node;
	}
	return made ?? sha256(new Uint8Array(0));
}

async function proveConsistency(read, oldSize, size) {
	const proof = [];
	let first = 0, m = oldSize, n = size;
	while (m !== n && m > 0) {
		let k = 1;
		while (k * 2 < n) k *= 2;
		if (m <= k) {
			proof.push(await rangeRoot(read, size, first + k, n - k));
			n = k;
		} else {
			proof.push(await rangeRoot(read, size, first, k));
			first += k;
			m -= k;
			n -= k;
		}
	}
	if (first > 0) proof.push(await rangeRoot(read, size, first, n));
	return proof.reverse();
}

/** Is the log of one checkpoint (text) the beginning of the other's? The tiles that `read` gives are not trusted: they make a proof. */
export const verifyConsistency = (oldText, newText, read, options) => verdict(async () => {
	const trust = readTrust(options);
	const old = await openCheckpoint(trust, oldText, 'the older checkpoint');
	const now = await openCheckpoint(trust, newText, 'the newer checkpoint');
	if (old.size > now.size) no('rolled-back', `the log had ${old.size} leaves and now has ${now.size}`);
	if (old.size === now.size && !equal(old.root, now.root)) no('fork', `two different logs of ${now.size} leaves are signed`);
	if (old.size === now.size) return `both checkpoints are of the same ${now.size} leaves`;
	if (!equal(await rangeRoot(read, now.size, 0, now.size), now.root)) no('tile', 'the tiles do not make the root of the newer checkpoint');
	const proof = await proveConsistency(read, old.size, now.size);
	if (!extendsTree(proof, old.size, old.root, now.size, now.root)) no('fork', `the first ${old.size} of the ${now.size} leaves are not those that were signed before`);
	return `the ${old.size} leaves signed before are the first of the ${now.size} signed now`;
});
