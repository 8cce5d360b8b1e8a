// One run of wrk: one thread, 64 connections unless told otherwise, requests made by requests.lua.
import { run } from './process.mjs';
import { LOAD_CORE, here, settings } from './settings.mjs';

let last = Math.floor(Date.now() / 1000) % 1e9;
/** Another number each time, in other runs too: writes under a key that was used before are no writes. */
export const seed = () => (last += 1);

export async function wrk(url, { kind, many = 0, token = null, field = null, connections = settings.connections, seconds }) {
	const out = await run('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '-s', `${here}/requests.lua`, url, '--', kind, String(seed()), String(many), token ?? '-', ...(field ? [field] : [])], { core: LOAD_CORE });
	const report = JSON.parse(/^REPORT (.*)$/m.exec(out)[1]);
	return { requests: report.requests, rate: report.requests / (report.microseconds / 1e6), bad: report.broken + report.refused, p99: report.p99_us / 1000 };
}
