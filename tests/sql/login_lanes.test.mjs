// Three hours of guessing at one name, played by setting the clocks of the buckets back: how many guesses are looked at, how long anybody
// waits, and that the owner's own queues stay open all the while. From the first ten minutes on it is one guess a minute, so a day has
// 1,450. The schedules are those of rules.c, which
// tests/unit/identity/test_rules.c pins.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Platform } from '../support/platform.mjs';

let platform;
before(async () => { platform = await Platform.start({ demo: 'small' }); });
after(() => platform?.stop());

const doubling = (free, first, most) => {
	const delays = Array(free + 1).fill(0);
	for (let delay = first; delay < most; delay *= 2) delays.push(delay);
	return `'{${[...delays, most].join()}}'::integer[]`;
};
const SCHEDULES = [doubling(4, 2, 60), doubling(20, 1, 60), doubling(50, 1, 5)].join(', ');
const SECONDS = 3 * 3600;
const DEVICE = "sha256('device')";

const PLAY = `
set search_path = identity;
delete from throttle;
delete from known_device;
delete from known_network;
insert into known_device (sha256, staff_id, kind, expires_at) select ${DEVICE}, id, 'DEVICE', now() + interval '9 days' from staff where username = 'auditor';
insert into known_network (staff_id, network) select id, 'office' from staff where username = 'auditor';
create function pg_temp.charge(p_net text, p_device bytea, p_proved boolean, out o_wait_s integer, out o_lane text) language sql as $$
	select * from login_charge('auditor', p_device, p_proved, 'proof', 'pair ' || p_net, 'wide ' || p_net, 'user', p_net, ${SCHEDULES})
$$;
set synchronous_commit = off;
create temp table played (guesses integer, longest integer, owner_waits integer, lanes text);
-- Somebody with so many networks tries whenever any of them may; the owner tries, and succeeds, each time the stranger has to wait.
-- Commits like the real thing, so that old row versions go.
create procedure pg_temp.play(p_nets integer, p_office boolean) language plpgsql as $$
declare
	elapsed integer := 0;
	guesses integer := 0;
	longest integer := 0;
	owner_waits integer := 0;
	lanes text := '';
	least_wait integer;
	c record;
begin
	while elapsed < ${SECONDS} loop
		least_wait := null;
		for n in 1 .. p_nets loop
			c := pg_temp.charge(case when p_office then 'office' else 'net ' || n end, null, false);
			guesses := guesses + (c.o_wait_s = 0)::integer;
			longest := greatest(longest, c.o_wait_s);
			least_wait := least(least_wait, c.o_wait_s);
			commit;
		end loop;
		continue when least_wait = 0;
		for proved in 0 .. 1 loop
			c := pg_temp.charge(case when p_office then 'office' else 'net 1' end, ${DEVICE}, proved = 1);
			owner_waits := greatest(owner_waits, c.o_wait_s);
			lanes := case when lanes like '%' || c.o_lane || '%' then lanes else trim(lanes || ' ' || c.o_lane) end;
			delete from throttle where bucket = login_bucket(c.o_lane, ${DEVICE}, 'proof', null); -- as staff_sign_in does
		end loop;
		update throttle set blocked_until = blocked_until - make_interval(secs => least_wait), last_at = last_at - make_interval(secs => least_wait);
		elapsed := elapsed + least_wait;
		commit;
	end loop;
	insert into played values (guesses, longest, owner_waits, lanes);
end $$;
`;
const play = async (text) => (await platform.sql(`${PLAY}${text};`)).at(-1);
const playHours = (networks, office) => play(`call pg_temp.play(${networks}, ${office}); select * from played`);

test('one network: one guess a minute after the first ten, a minute to wait, the owner never', async () => {
	for (const office of [true, false]) {
		const [guesses, longest, ownerWaits, lanes] = await playHours(1, office);
		assert.ok(Number(guesses) > 150 && Number(guesses) <= 10 + SECONDS / 60, `${guesses} guesses`);
		assert.equal(longest, '60');
		assert.equal(ownerWaits, '0');
		assert.equal(lanes, 'DEVICE PROOF');
	}
});

test('ten networks: three more each, no others', async () => {
	const [guesses, longest, ownerWaits] = await playHours(10, false);
	assert.ok(Number(guesses) <= 30 + SECONDS / 60 + 3 * 10, `${guesses} guesses`);
	assert.equal(longest, '60');
	assert.equal(ownerWaits, '0');
});

test('a network that did not fail before is let in whatever others did', async () => {
	const [waits] = await play(`do $$ begin for i in 1 .. 500 loop perform pg_temp.charge('net ' || i, null, false); end loop; end $$;
		select concat_ws(' ', (pg_temp.charge('new', null, false)).o_wait_s, (pg_temp.charge('new', null, false)).o_wait_s, (pg_temp.charge('office', null, false)).o_wait_s)`);
	assert.equal(waits, '0 0 0');
});

test('the queue is told by what only the owner can have', async () => {
	const lane = async (condition) => (await play(`select login_lane(${condition})`))[0];
	assert.equal(await lane(`'auditor', ${DEVICE}, false, 'x'`), 'DEVICE');
	assert.equal(await lane(`'auditor', ${DEVICE}, true, 'x'`), 'PROOF');
	assert.equal(await lane(`'admin', ${DEVICE}, false, 'x'`), 'ELSEWHERE', "another person's device");
	assert.equal(await lane(`'auditor', sha256('other'), false, 'x'`), 'ELSEWHERE');
	assert.equal(await lane(`'nobody', null, false, 'office'`), 'OFFICE', 'the same for every name');
	assert.equal((await play(`update known_device set expires_at = now() where sha256 = ${DEVICE}; select login_lane('auditor', ${DEVICE}, false, 'x')`))[0], 'ELSEWHERE');
});

test('the login role reaches neither devices nor clear names', async () => {
	for (const text of ['select * from known_device', 'delete from known_device', 'select contact from partner', "update citizen set display_name = 'x'"]) {
		await assert.rejects(platform.sql(`set role yg_identity; set search_path = identity; ${text}`), /permission denied/, text);
	}
});
