// make demo: one gift from login to refund, and what gifts were used for, through the public API, each exchange printed.
// Then the public log: the gift's proofs and the whole log are checked offline by yangguang-verify, before and after one byte is changed.
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { downloadLog } from '../../tests/support/public_log.mjs';

const [, , demoFile, verifier] = process.argv;
const demo = JSON.parse(fs.readFileSync(demoFile, 'utf8'));
const cut = (text) => (text.length > 900 ? `${text.slice(0, 900)} …` : text);

async function exchange(title, method, url, { body, token, headers = {} } = {}) {
	const sent = { ...(body ? { 'Content-Type': 'application/json' } : {}), ...(token ? { Authorization: `Bearer ${token}` } : {}), ...headers };
	console.log(`\n── ${title}`);
	console.log(`→ ${method} ${url.replace(demo.base_url, '')}`);
	for (const [name, value] of Object.entries(sent)) console.log(`  ${name}: ${name === 'Authorization' ? `${value.slice(0, 24)}…` : value}`);
	if (body) console.log(`  ${JSON.stringify(body)}`);
	const response = await fetch(url.startsWith('http') ? url : demo.base_url + url, { method, headers: sent, body: body && JSON.stringify(body) });
	const text = await response.text();
	console.log(`← ${response.status} ${response.headers.get('content-type') ?? ''}`);
	if (text) console.log(`  ${cut(text)}`);
	if (!response.ok) throw new Error(`${title}: ${response.status}`);
	return text ? JSON.parse(text) : {};
}

async function until(title, ask) {
	for (let i = 0; i < 100; i += 1) {
		if (await ask()) return;
		await new Promise((done) => { setTimeout(done, 100); });
	}
	throw new Error(`${title}: not within 10 s`);
}

const citizen = await exchange('a citizen logs in through WeChat', 'POST', '/v1/auth/wechat', { body: { code: demo.citizens[0].wechat_code } });
const { items: [campaign] } = await exchange('looks for an open campaign', 'GET', '/v1/campaigns?state=OPEN&limit=1');
const gift = await exchange('gives 88.00 yuan', 'POST', '/v1/gifts', { token: citizen.access_token, headers: { 'Idempotency-Key': `"${randomUUID()}"` },
	body: { campaign_id: campaign.id, amount_fen: 8800, disclosure: 'NAMED', real_name: '林小满', message: '愿大家平安' } });
await exchange('pays in WeChat (stand-in: what the user does on the phone)', 'POST', `${demo.standins.wechat_pay}/control/payments`, { body: { out_trade_no: gift.out_trade_no } });
await until('the payment is settled', async () => (await fetch(`${demo.base_url}/v1/public/gifts/${gift.public_code}`)).ok);
await exchange('anyone finds the gift by its public code', 'GET', `/v1/public/gifts/${gift.public_code}`);
await exchange('and in the list of the campaign', 'GET', `/v1/campaigns/${campaign.id}/gifts?limit=2`);
const finance = demo.staff.find((person) => person.username === 'finance');
const staff = await exchange('the accountant logs in', 'POST', '/v1/auth/staff', { body: { username: finance.username, password: finance.password } });
await exchange('refunds 8.00 yuan', 'POST', `/v1/gifts/${gift.id}/refunds`, { token: staff.access_token, headers: { 'Idempotency-Key': `"${randomUUID()}"` },
	body: { amount_fen: 800, reason: '重复捐赠' } });
await until('the refund is done', async () => {
	const seen = await fetch(`${demo.base_url}/v1/public/gifts/${gift.public_code}`);
	return (await seen.text()).includes('REFUNDED');
});
await exchange('the public page tells it', 'GET', `/v1/public/gifts/${gift.public_code}`);
await exchange('and the totals', 'GET', '/v1/public/summary');
const receipt = await exchange('the donor asks for a receipt of the rest (公益事业捐赠票据)', 'POST', `/v1/me/gifts/${gift.id}/receipts`, { token: citizen.access_token, body: { title: '林小满' } });
await until('the province has given a number', async () => {
	const seen = await fetch(`${demo.base_url}/v1/me/receipts/${receipt.id}`, { headers: { Authorization: `Bearer ${citizen.access_token}` } });
	return (await seen.json()).state === 'ISSUED';
});
await exchange('it has its number, and the amount in capitals', 'GET', `/v1/me/receipts/${receipt.id}`, { token: citizen.access_token });

const login = async (username) => {
	const { password } = demo.staff.find((one) => one.username === username);
	const answer = await fetch(`${demo.base_url}/v1/auth/staff`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ username, password }) });
	return (await answer.json()).access_token;
};
const [author, second] = [await login('campaigns'), await login(demo.staff[0].username)];
const keyed = () => ({ 'Idempotency-Key': `"${randomUUID()}"` });
const fund = await exchange('what the campaign has, and may still spend', 'GET', `/v1/public/funds/${campaign.id}`);
const use = await exchange('somebody drafts what it is used for', 'POST', '/v1/disbursements', { token: author, headers: keyed(),
	body: { fund: campaign.id, amount_fen: fund.available_fen > 3100000 ? 3100000 : Math.floor(fund.available_fen / 2), purpose: '住院伤员医疗救助', payee_kind: 'CASE', payee: '怀集县·个案 A-17' } });
const once = await exchange('the accountant approves', 'POST', `/v1/disbursements/${use.id}/approvals`, { token: staff.access_token, headers: keyed() });
if (once.state === 'DRAFT') await exchange('above 30,000 yuan a second one has to agree', 'POST', `/v1/disbursements/${use.id}/approvals`, { token: second, headers: keyed() });
await exchange('it is paid, and the rule names the gifts that paid for it', 'POST', `/v1/disbursements/${use.id}/payments`, { token: staff.access_token, headers: keyed(),
	body: { bank_reference: 'ICBC-20261126-7' } });
const { items: [share] } = await exchange('anyone sees which gifts', 'GET', `/v1/public/disbursements/${use.number}/gifts?limit=3`);
await exchange('and each gift tells what it paid for', 'GET', `/v1/public/gifts/${share.public_code}`);

const code = `xinghu-${randomUUID().slice(0, 8)}`;
const inDays = (n) => new Date(Date.now() + 8 * 3600e3 + n * 86400e3).toISOString().slice(0, 10);
await exchange('somebody proposes a named fund (小额冠名): a founder, a minimum, instalments', 'POST', '/v1/managed/funds', { token: author, headers: keyed(),
	body: { code, kind: 'NAMED', source: 'DONATION', name: '星湖急救基金', organization: '4412', purpose: '急救进校园', founder: '星湖一家人', minimum_fen: 3000000,
		bank_holder: '肇庆市红十字会', bank_name: '演示银行', bank_account: '441200009999',
		instalments: [{ due_date: inDays(0), amount_fen: 1000000 }, { due_date: inDays(180), amount_fen: 2000000 }] } });
await exchange('another person opens it', 'POST', `/v1/managed/funds/${code}/openings`, { token: staff.access_token, headers: keyed() });
const founder = await exchange('its founder, another donor, logs in', 'POST', '/v1/auth/wechat', { body: { code: 'demo-xinghu' } });
const first = await exchange('the founder gives the first instalment', 'POST', '/v1/gifts', { token: founder.access_token, headers: keyed(),
	body: { fund_code: code, amount_fen: 1000000, disclosure: 'ALIAS', alias: '星湖一家人' } });
await exchange('and pays it', 'POST', `${demo.standins.wechat_pay}/control/payments`, { body: { out_trade_no: first.out_trade_no } });
await until('the instalment is settled', async () => (await fetch(`${demo.base_url}/v1/public/gifts/${first.public_code}`)).ok);
await until('its fund shows it', async () => (await (await fetch(`${demo.base_url}/v1/public/funds/${code}`)).json()).received_fen === 1000000);
await exchange('the fund shows which instalments are met, and its years', 'GET', `/v1/public/funds/${code}`);
const equipment = await exchange('the fund is used', 'POST', '/v1/disbursements', { token: author, headers: keyed(),
	body: { fund: code, amount_fen: 360000, purpose: '校园急救箱与模拟人', payee_kind: 'SUPPLIER', payee: '肇庆市急救器材有限公司' } });
await exchange('approved', 'POST', `/v1/disbursements/${equipment.id}/approvals`, { token: staff.access_token, headers: keyed() });
await exchange('paid', 'POST', `/v1/disbursements/${equipment.id}/payments`, { token: staff.access_token, headers: keyed(), body: { bank_reference: 'ICBC-20261126-8' } });
await exchange('the story of that gift', 'GET', `/v1/public/gifts/${first.public_code}`);

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'yangguang-log-'));
function verify(title, expected, ...args) {
	const { stdout, status } = spawnSync(verifier, [...args, '--key', log.verifier_key], { encoding: 'utf8' });
	console.log(`\n── ${title}\n$ yangguang-verify ${args.join(' ')} --key …\n  ${stdout.trim()}`);
	if (status !== expected) throw new Error(`${title}: ended with ${status}`);
}
const get = async (place) => {
	const response = await fetch(demo.base_url + place);
	const raw = Buffer.from(await response.arrayBuffer());
	return { status: response.status, raw, text: raw.toString() };
};
await until('the gift, its refund and its receipt are in the log', async () => {
	const seen = await get(`/v1/public/gifts/${gift.public_code}/proof`);
	return seen.status === 200 && JSON.parse(seen.text).items.length === 3;
});
await until('the rest is in the log', async () => JSON.parse((await get('/v1/public/log')).text).waiting === 0);
const log = await exchange('the public log: its key, its size, how late it is', 'GET', '/v1/public/log');
const { items: proofs } = await exchange('proofs of all events of the gift', 'GET', `/v1/public/gifts/${gift.public_code}/proof`);
const { openings } = await exchange('the donor takes what opens the commitment to the name', 'GET', `/v1/me/gifts/${gift.id}`, { token: citizen.access_token });
for (const [i, proof] of proofs.entries()) {
	const file = path.join(folder, `receipt-${i}.json`);
	fs.writeFileSync(file, JSON.stringify(i ? proof : { ...proof, openings }));
	verify(`offline: is "${JSON.parse(proof.leaf).type}" in the log?`, 0, 'receipt', file);
}
const other = path.join(folder, 'receipt-other.json');
fs.writeFileSync(other, JSON.stringify({ ...proofs[0], openings: { donor: { ...openings.donor, value: '张三' } } }));
verify('somebody else claims the gift', 1, 'receipt', other);
const size = await downloadLog({ get }, folder);
verify(`offline: all ${size} leaves, folded anew, against the signed root and every published balance`, 0, 'all', folder);
const entries = path.join(folder, 'tile/entries', fs.existsSync(path.join(folder, 'tile/entries/000')) ? '000' : `000.p/${size}`);
const bytes = fs.readFileSync(entries);
bytes[bytes.indexOf('"fen":') + 6] ^= 1;
fs.writeFileSync(entries, bytes);
verify('one byte of one amount is changed', 1, 'all', folder);
const balances = path.join(folder, 'balances.json');
bytes[bytes.indexOf('"fen":') + 6] ^= 1;
fs.writeFileSync(entries, bytes);
const published = JSON.parse(fs.readFileSync(balances, 'utf8'));
published.items[0].fen += 1;
fs.writeFileSync(balances, JSON.stringify(published));
verify('one published balance is raised by one fen', 1, 'all', folder);
await exchange('the ledger checks itself, in public', 'GET', '/v1/public/ledger/check');
fs.rmSync(folder, { recursive: true, force: true });
