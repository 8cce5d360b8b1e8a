// Contracts → src/generated: types of all operations that outsiders may call, and a table of how each is called.
// They are not kept in the tree: `npm run build` makes them anew, so that they cannot differ from the contracts.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import openapiTS, { astToString } from 'openapi-typescript';
import YAML from 'yaml';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const METHODS = ['get', 'put', 'post', 'delete', 'patch'];
const HEAD = '// Made by generate.mjs from the contracts in proto/. Do not edit.\n';

const isMap = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

/** Without x- keys; references between the files made local. `names`: the members are names of something, not keywords. */
function outside(value, names = false) {
	if (Array.isArray(value)) return value.map((item) => outside(item));
	if (!isMap(value)) return value;
	return Object.fromEntries(Object.entries(value).filter(([key]) => names || !key.startsWith('x-')).map(([key, member]) => {
		if (!names && key === '$ref') return [key, member.slice(member.indexOf('#'))];
		return [key, outside(member, !names && (key === 'properties' || key === 'headers'))];
	}));
}

const isOpen = (operation) => operation?.operationId && operation['x-access'] !== 'internal';

export function merge(documents) {
	const whole = { openapi: '3.1.0', info: { title: 'Yangguang 阳光', version: '1' }, paths: {}, components: {} };
	for (const document of documents) {
		for (const [template, item] of Object.entries(document.paths ?? {})) {
			const kept = Object.fromEntries(Object.entries(item).filter(([key, value]) => !METHODS.includes(key) || isOpen(value)));
			if (METHODS.some((method) => kept[method])) whole.paths[template] = outside(kept);
		}
		for (const [section, members] of Object.entries(document.components ?? {})) {
			whole.components[section] ??= {};
			for (const [name, member] of Object.entries(members)) whole.components[section][name] ??= outside(member);
		}
	}
	return whole;
}

function row(document, template, method, operation) {
	const body = operation.requestBody?.content;
	const parts = [`method: '${method.toUpperCase()}'`, `path: '${template}'`];
	if (body) parts.push(`body: '${Object.keys(body)[0]}'`);
	if ((operation.security ?? document.security ?? []).length > 0) parts.push('token: true');
	if (operation['x-idempotency']) parts.push(`idempotency: '${operation['x-idempotency']}'`);
	return `\t${operation.operationId}: { ${parts.join(', ')} },\n`;
}

function table(documents) {
	let text = `${HEAD}export const operations = {\n`;
	for (const document of documents) {
		for (const [template, item] of Object.entries(document.paths ?? {})) {
			for (const method of METHODS.filter((name) => isOpen(item[name]))) text += row(document, template, method, item[method]);
		}
	}
	return `${text}} as const;\n`;
}

export function contracts(dir = path.join(HERE, '..')) {
	const files = fs.readdirSync(dir).filter((name) => name.endsWith('.yaml') && name !== 'policies.yaml').sort();
	return files.map((file) => YAML.parse(fs.readFileSync(path.join(dir, file), 'utf8')));
}

/** File name → text. */
export async function generate() {
	const documents = contracts();
	return {
		'operations.ts': table(documents),
		'schema.ts': HEAD + astToString(await openapiTS(merge(documents), { alphabetize: true, defaultNonNullable: false })),
	};
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	fs.mkdirSync(path.join(HERE, 'src/generated'), { recursive: true });
	for (const [name, text] of Object.entries(await generate())) fs.writeFileSync(path.join(HERE, 'src/generated', name), text);
}
