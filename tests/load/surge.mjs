// A day of disaster, which is no comparison of equals in turns: all donors on one campaign, and readers of its page meanwhile. They meet a
// gateway with its caches, as the city would.
import os from 'node:os';
import * as peers from './peers.mjs';
import * as platform from './platform.mjs';
import { settings } from './settings.mjs';
import { wrk } from './wrk.mjs';

const DONORS = 256;
const READERS = 32;

/** Rates of the writers and of the readers of the one campaign, alone and together. */
export async function surgeTargets(say) {
	const token = await platform.login();
	const seconds = settings.surgeSeconds;
	const { url, pid } = await platform.startGateway('gateway_surge', settings.port + 46, { YG_CACHE_BYTES: null, YG_CACHE_SHARED: null });
	if (process.getuid() === 0) os.setPriority(pid, -5); // as its unit has it
	const write = () => wrk(url, { kind: 'write', token, connections: DONORS, seconds });
	const read = (time) => wrk(url, { kind: 'page', many: 1, token, connections: READERS, seconds: time });
	await read(1);
	const alone = await read(Math.min(5, seconds));
	const before = Number(await platform.psql('select count(*) from donations.gift'));
	const [gifts, readers] = await Promise.all([write(), read(seconds)]);
	await platform.drained();
	const gained = Number(await platform.psql('select count(*) from donations.gift')) - before;
	await platform.psql('checkpoint');
	platform.signal('relay_donations', 'SIGSTOP');
	const single = await peers.pgbench('write', 32, Math.min(20, seconds), 900);
	platform.signal('relay_donations', 'SIGCONT');
	for (const [name, r] of [['gifts', gifts], ['readers', readers], ['readers alone', alone]]) {
		if (r.bad) throw new Error(`surge, ${name}: ${r.bad} of ${r.requests} requests were refused or broke off`);
		say(`  ${name}: ${Math.round(r.rate)}/s, p99 ${r.p99.toFixed(1)} ms`);
	}
	if (gained < gifts.requests) throw new Error(`surge: ${gifts.requests} gifts were confirmed, ${gained} are there`);
	say(`  pgbench, 32 clients, one transaction per gift: ${Math.round(single.rate)}/s`);
	const times = gifts.rate / single.rate;
	const slowed = alone.rate / readers.rate;
	return [
		{ met: times >= 2.5, text: `surge of ${DONORS} donors and ${READERS} readers for ${seconds} s against pgbench alone: ${times.toFixed(2)} (to reach: 2.5)` },
		{ met: gifts.p99 <= 100, text: `p99 of a gift in the surge: ${gifts.p99.toFixed(1)} ms (at most: 100)` },
		{ met: slowed <= 3, text: `readers in the surge are slower than alone by: ${slowed.toFixed(2)} (at most: 3)` },
	];
}
