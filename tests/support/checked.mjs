// The ledger is summed up again and again, and asking tells of the last time: what is wanted after a change is a sum that is younger.
import { eventually } from './eventually.mjs';

/** The next sum need not wait for its time. */
export const hurryCheck = (platform) => platform.sql('update donations.ledger_checked set due_at = now()');

/** What `ask` (GET /v1/public/ledger/check) says of a moment after this call. */
export async function checkedAnew(platform, ask) {
	const since = Date.now();
	await hurryCheck(platform);
	return eventually(async () => { const check = await ask(); return Date.parse(check.as_of) > since && check; }, 60000, 250);
}
