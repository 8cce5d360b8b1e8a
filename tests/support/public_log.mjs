// Downloads the public log as anyone would: the files that deploy/verify/README.md names, under their own names.
import fs from 'node:fs';
import path from 'node:path';

const WIDTH = 256;

export function tileName(level, index, width = WIDTH) {
	let name = String(index % 1000).padStart(3, '0');
	for (let rest = Math.floor(index / 1000); rest; rest = Math.floor(rest / 1000)) name = `x${String(rest % 1000).padStart(3, '0')}/${name}`;
	return `tile/${level}/${name}${width < WIDTH ? `.p/${width}` : ''}`;
}

async function save(client, dir, name) {
	const answer = await client.get(`/log/${name}`);
	if (answer.status !== 200) throw new Error(`/log/${name}: ${answer.status} ${answer.text}`);
	const file = path.join(dir, name);
	fs.mkdirSync(path.dirname(file), { recursive: true });
	fs.writeFileSync(file, answer.raw);
	return answer.raw;
}

/** Gives the number of leaves. */
export async function downloadLog(client, dir) {
	await save(client, dir, 'balances.json');
	const size = Number((await save(client, dir, 'checkpoint')).toString().split('\n')[1]);
	const level = async (name, count) => {
		for (let i = 0; i * WIDTH < count; i += 1) await save(client, dir, tileName(name, i, Math.min(WIDTH, count - i * WIDTH)));
	};
	await level('entries', size);
	for (let l = 0, count = size; count; l += 1, count = Math.floor(count / WIDTH)) await level(l, count);
	return size;
}
