// What /proc says: CPU time of a process with all its children, memory, and how busy a core was.
import fs from 'node:fs';

const TICK_US = 10000; // USER_HZ is 100 on every Linux that Debian builds

function stat(pid) {
	try {
		const text = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
		return text.slice(text.lastIndexOf(')') + 2).split(' ');
	} catch {
		return null; // gone
	}
}

// Every process below (and with) those given.
export function tree(pids) {
	const children = new Map();
	for (const name of fs.readdirSync('/proc')) {
		if (!/^\d+$/.test(name)) continue;
		const fields = stat(name);
		if (!fields) continue;
		const parent = Number(fields[1]);
		children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
	}
	const all = [...pids];
	for (let i = 0; i < all.length; i += 1) all.push(...(children.get(all[i]) ?? []));
	return [...new Set(all)];
}

// Microseconds of CPU that the processes and all their children, ended ones too, have used so far.
export function cpuMicroseconds(pids) {
	let ticks = 0;
	for (const pid of tree(pids)) {
		const fields = stat(pid);
		if (fields) ticks += fields.slice(11, 15).reduce((sum, text) => sum + Number(text), 0);
	}
	return ticks * TICK_US;
}

export function residentKiB(pids) {
	let sum = 0;
	for (const pid of tree(pids)) {
		const found = /^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
		sum += found ? Number(found[1]) : 0;
	}
	return sum;
}

// Microseconds since the start of the machine that the core worked, and that passed.
export function coreMicroseconds(core) {
	const line = fs.readFileSync('/proc/stat', 'utf8').split('\n').find((l) => l.startsWith(`cpu${core} `));
	const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
	const total = ticks.reduce((a, b) => a + b, 0);
	return { busy: (total - ticks[3] - ticks[4]) * TICK_US, total: total * TICK_US };
}
