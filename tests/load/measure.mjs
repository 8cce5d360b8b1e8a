// Rounds: every contestant of a row in turn, over and over, so that whatever the machine does meanwhile meets all alike.
import { cpuOf } from './platform.mjs';
import { coreMicroseconds } from './proc.mjs';
import { sleep } from './process.mjs';
import { SERVER_CORE, settings } from './settings.mjs';

export function median(values) {
	const sorted = [...values].sort((a, b) => a - b);
	const middle = Math.floor(sorted.length / 2);
	return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

async function one(contestant, seconds, round) {
	await contestant.before?.();
	await sleep(200);
	const groups = contestant.processes();
	const core = coreMicroseconds(SERVER_CORE);
	const before = cpuOf(groups);
	const result = await contestant.run(seconds, round);
	await sleep(50); // backends that ended are counted once their parent knows
	const after = cpuOf(groups);
	const coreNow = coreMicroseconds(SERVER_CORE);
	await contestant.after?.();
	if (result.requests === 0) throw new Error(`${contestant.name}: not one answer`);
	const spent = Object.fromEntries(Object.keys(groups).map((name) => [name, (after[name] - before[name]) / result.requests]));
	const busy = (coreNow.busy - core.busy) / (coreNow.total - core.total);
	const ours = Object.values(spent).reduce((a, b) => a + b, 0) * result.requests;
	const foreign = Math.max(0, coreNow.busy - core.busy - ours) / (coreNow.total - core.total);
	return { ...result, spent, busy, foreign };
}

function summary(contestant, results) {
	const rates = results.map((r) => r.rate);
	return {
		contestant,
		rate: median(rates), least: Math.min(...rates), most: Math.max(...rates),
		p99: median(results.map((r) => r.p99)),
		spent: Object.fromEntries(Object.keys(results[0].spent).map((name) => [name, median(results.map((r) => r.spent[name]))])),
		busy: median(results.map((r) => r.busy)), foreign: median(results.map((r) => r.foreign)),
		bad: results.reduce((sum, r) => sum + r.bad, 0), requests: results.reduce((sum, r) => sum + r.requests, 0),
	};
}

export async function measure(contestants, progress) {
	const results = contestants.map(() => []);
	for (let i = 0; i < contestants.length; i += 1) await one(contestants[i], Math.min(2, settings.seconds), 0); // caches, compilers, plans
	for (let round = 1; round <= settings.rounds; round += 1) {
		for (let i = 0; i < contestants.length; i += 1) {
			const result = await one(contestants[i], settings.seconds, round);
			results[i].push(result);
			progress(`round ${round}/${settings.rounds}  ${contestants[i].name}  ${Math.round(result.rate)}/s`);
		}
	}
	return contestants.map((contestant, i) => summary(contestant, results[i]));
}
