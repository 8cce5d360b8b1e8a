// Makes public logs and receipts on node:crypto alone, by the plainest reading of the formats: what the verifiers are tried against.
// A tree is its levels: neighbours are paired, and a last odd node moves up as it is (RFC 9162 2.1.1 comes to the same).
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

const digest = (...parts) => crypto.createHash('sha256').update(Buffer.concat(parts)).digest();
const LEAF = Buffer.from([0]), NODE = Buffer.from([1]);

export function levelsOf(entries) {
	const levels = [entries.map((e) => digest(LEAF, e))];
	while (levels.at(-1).length > 1) {
		const below = levels.at(-1), above = [];
		for (let i = 0; i < below.length; i += 2) above.push(i + 1 < below.length ? digest(NODE, below[i], below[i + 1]) : below[i]);
		levels.push(above);
	}
	return levels;
}
export const rootOf = (levels) => levels.at(-1)[0] ?? digest();

export function inclusionProof(levels, index) {
	const proof = [];
	for (let level = 0, i = index; level < levels.length - 1; level += 1, i >>= 1) if (levels[level][i ^ 1]) proof.push(levels[level][i ^ 1]);
	return proof;
}

/** A key named `name`: kind 1 signs notes, 4 cosigns them. */
export function makeKey(name, kind = 1) {
	const { privateKey, publicKey } = crypto.generateKeyPairSync('ed25519');
	const raw = Buffer.concat([Buffer.from([kind]), publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)]);
	const id = digest(Buffer.from(`${name}\n`), raw).subarray(0, 4);
	return { name, kind, privateKey, id, text: `${name}+${id.toString('hex')}+${raw.toString('base64')}` };
}

export function signatureLine(text, key, time = 1764000000) {
	const seconds = Buffer.alloc(key.kind === 4 ? 8 : 0);
	if (key.kind === 4) seconds.writeBigUInt64BE(BigInt(time));
	const message = key.kind === 4 ? `cosignature/v1\ntime ${time}\n${text}` : text;
	return `— ${key.name} ${Buffer.concat([key.id, seconds, crypto.sign(null, Buffer.from(message), key.privateKey)]).toString('base64')}\n`;
}

export function checkpointText(origin, size, root) {
	return `${origin}\n${size}\n${root.toString('base64')}\n`;
}

export function signedCheckpoint(entries, keys, origin = keys[0].name) {
	const text = checkpointText(origin, entries.length, rootOf(levelsOf(entries)));
	return `${text}\n${keys.map((k) => signatureLine(text, k)).join('')}`;
}

export const uuid = (n) => `01930000-0000-7000-8000-${String(n + 1).padStart(12, '0')}`;
export const saltOf = (n) => digest(Buffer.from(`salt ${n}`)).subarray(0, 16);
export const donorOf = (n) => `捐赠人${n}`;

/** Leaf `n` of the demo history: gifts into two funds, every seventh spends some, every eleventh has no postings. */
export function leafOf(n, changes = {}) {
	const fund = `fund:${String(n % 2).padStart(4, '0')}`;
	const leaf = { v: 1, type: 'gift.received', id: uuid(n), at: '2026-11-26T08:30:00.000+08:00', recorded_at: '2026-11-26T08:30:01.250+08:00', subject: `G${n}` };
	if (n % 11 === 10) return { ...leaf, type: 'disclosure.published', data: { title: '2026 年第 3 季度 \\ "公示"', pages: 12 }, ...changes };
	if (n % 7 === 6) {
		return { ...leaf, type: 'gift.spent', data: { share: [1, 2] }, postings: [{ account: 'expense:blankets', fen: 30 }, { account: fund, fen: -30 }], links: [uuid(n - 2)], ...changes };
	}
	const commitments = { donor: digest(saltOf(n), Buffer.from(donorOf(n))).toString('hex') };
	return { ...leaf, data: { campaign: 'flood', note: null, anonymous: false }, commitments, postings: [{ account: 'bank:1', fen: 100 + n }, { account: fund, fen: -100 - n }], ...changes };
}
export const entryOf = (n, changes) => Buffer.from(JSON.stringify(leafOf(n, changes)));
export const entriesOf = (size, change = {}) => Array.from({ length: size }, (_, n) => entryOf(n, change[n]));

export function balancesOf(entries) {
	const balances = {};
	for (const e of entries) for (const p of JSON.parse(e).postings ?? []) balances[p.account] = (balances[p.account] ?? 0) + p.fen;
	return { as_of: '2026-11-26T09:00:00+08:00', log_size: entries.length, items: Object.entries(balances).map(([account, fen]) => ({ account, fen })) };
}

function pathOf(level, index, width) {
	let name = String(index % 1000).padStart(3, '0');
	for (let rest = Math.floor(index / 1000); rest; rest = Math.floor(rest / 1000)) name = `x${String(rest % 1000).padStart(3, '0')}/${name}`;
	return `tile/${level}/${name}${width < 256 ? `.p/${width}` : ''}`;
}

export function put(dir, name, bytes) {
	const file = path.join(dir, name);
	fs.mkdirSync(path.dirname(file), { recursive: true });
	fs.writeFileSync(file, bytes);
}

function putTiles(dir, level, items, bytesOf) {
	for (let i = 0; i < items.length; i += 256) {
		const part = items.slice(i, i + 256);
		put(dir, pathOf(level, i / 256, part.length), Buffer.concat(part.map(bytesOf)));
	}
}

export const putEntries = (dir, entries) => putTiles(dir, 'entries', entries, (e) => Buffer.concat([Buffer.from([e.length >> 8, e.length & 255]), e]));

export function putHashes(dir, entries) {
	const levels = levelsOf(entries);
	for (let level = 0; 8 * level < levels.length; level += 1) {
		const complete = Math.floor(entries.length / 256 ** level); /* the odd nodes that moved up are not part of any tile */
		if (complete) putTiles(dir, level, levels[8 * level].slice(0, complete), (h) => h);
	}
}

/** Writes a whole log as it would be downloaded. */
export function putLog(dir, entries, keys) {
	put(dir, 'checkpoint', signedCheckpoint(entries, keys));
	put(dir, 'balances.json', JSON.stringify(balancesOf(entries), null, 1));
	putEntries(dir, entries);
	putHashes(dir, entries);
}

export function receiptOf(entries, index, keys) {
	return {
		v: 1, leaf: entries[index].toString(), index, checkpoint: signedCheckpoint(entries, keys),
		proof: inclusionProof(levelsOf(entries), index).map((h) => h.toString('base64')),
	};
}
