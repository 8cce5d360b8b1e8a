// The people of the demo city, made through the public API by the first administrator. What exists is left as it is, so it may run again.
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';

const [file, adminFile] = process.argv.slice(2);
const demo = JSON.parse(fs.readFileSync(0, 'utf8'));
const [adminName, adminPassword] = fs.readFileSync(adminFile, 'utf8').trim().split(':');
const before = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : {};

const STAFF = [
	{ username: 'finance', display_name: '梁会计', role: 'finance', organization: '4412' },
	{ username: 'campaigns', display_name: '陈项目', role: 'campaign_manager', organization: '4412' },
	{ username: 'auditor', display_name: '黄审计', role: 'auditor', organization: '4412' },
	{ username: 'duanzhou', display_name: '端州李干事', role: 'campaign_manager', organization: '4412/441202' },
];
const PARTNERS = [
	{ name: '肇庆市第一人民医院（演示）', organization: '4412', scopes: ['gift:read_public'] },
	{ name: '智慧肇庆数据平台（演示）', organization: '4412', scopes: ['gift:read_public'] },
];
const CITIZENS = ['lin', 'chen', 'wu', 'liang', 'huang', 'zhao'];

const call = async (method, path, body, token) => {
	const response = await fetch(demo.base_url + path, { method, body: body && JSON.stringify(body),
		headers: { ...(body ? { 'content-type': 'application/json' } : {}), ...(token ? { authorization: `Bearer ${token}` } : {}), 'accept-language': 'en', 'idempotency-key': `"${randomBytes(16).toString('hex')}"` } });
	const text = await response.text();
	let json;
	try { json = JSON.parse(text); } catch { json = {}; }
	return { status: response.status, json, text };
};
const must = (answer, what, ...statuses) => {
	if (!statuses.includes(answer.status)) throw new Error(`${what}: ${answer.status} ${answer.text}`);
	return answer.json;
};
/* Made from the administrator's, so that a run cut short can go on. */
const password = (name) => `Yg-${createHash('sha256').update(`${adminPassword}:${name}`).digest('base64url').slice(0, 14)}`;

const login = must(await call('POST', '/v1/auth/staff', { username: adminName, password: adminPassword }), 'the administrator signs in', 200);
const token = login.access_token;

demo.staff = [{ username: adminName, password: adminPassword, roles: ['admin'], organization: '4412' }];
for (const person of STAFF) {
	const secret = password(person.username);
	if (!before.staff?.some((s) => s.username === person.username)) {
		must(await call('POST', '/v1/staff', { username: person.username, password: secret, display_name: person.display_name,
			grants: [{ role: person.role, organization: person.organization }] }, token), `staff ${person.username}`, 201, 409);
	}
	demo.staff.push({ username: person.username, password: secret, roles: [person.role], organization: person.organization });
}

demo.partners = before.partners ?? [];
for (const partner of demo.partners.length ? [] : PARTNERS) {
	const made = must(await call('POST', '/v1/partners', partner, token), `partner ${partner.name}`, 201);
	const key = must(await call('POST', `/v1/partners/${made.id}/keys`, { kind: 'client_secret' }, token), `key of ${partner.name}`, 201);
	demo.partners.push({ client_id: made.client_id ?? key.client_id, client_secret: key.client_secret ?? key.secret });
}

demo.citizens = CITIZENS.map((name) => ({ wechat_code: `demo-${name}` }));
fs.writeFileSync(`${file}.new`, `${JSON.stringify(demo, null, 2)}\n`, { mode: 0o600 });
fs.renameSync(`${file}.new`, file);
console.log(`· people of the demo city: ${file}`);
