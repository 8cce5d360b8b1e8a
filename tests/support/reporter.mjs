// Reporter for node:test that writes the same flat TAP as tap.mjs: one line for each test without subtests.
// `node --test --test-reporter=./tests/support/reporter.mjs --test-reporter-destination=stdout FILE…`
import { inspect } from 'node:util';
import { Tap } from './tap.mjs';

export default async function* report(source) {
	let out = '';
	const tap = new Tap((text) => { out += text; });
	const parents = new Map(); /* per file: nesting → whether a test below has been seen */
	const words = [];
	for await (const { type, data } of source) {
		if (type === 'test:start') words.splice(data.nesting, words.length, data.name);
		if (type === 'test:pass' || type === 'test:fail') {
			const file = data.file ?? '';
			const seen = parents.get(file) ?? [];
			const isParent = seen[data.nesting + 1] === true;
			seen[data.nesting] = true;
			seen.length = data.nesting + 1;
			parents.set(file, seen);
			const failure = type === 'test:fail' ? data.details?.error ?? 'failed' : null;
			const cause = failure?.cause ?? failure;
			const own = failure && failure.failureType !== 'subtestsFailed';
			const skipped = data.skip !== undefined || data.todo !== undefined;
			if (skipped) tap.skip([...words.slice(0, data.nesting), data.name].join(' > '), data.skip ?? data.todo);
			else if (!isParent || own) tap.result([...words.slice(0, data.nesting), data.name].join(' > '), failure && (cause?.stack ?? inspect(cause)));
		}
		if (type === 'test:stderr' || type === 'test:stdout') out += data.message.replace(/^/gm, '# ').replace(/# $/, '');
		if (out) yield out;
		out = '';
	}
	tap.end();
	yield out;
}
