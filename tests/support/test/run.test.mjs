// tests/run counts right: in a tree of its own with programs that pass, fail, crash, hang, say nothing or were never built.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const RUN = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../run');
const PROGRAMS = {
	good: 'echo "1..2"; echo "ok 1 - one"; echo "ok 2 - two"',
	bad: 'echo "ok 1 - one"; echo "not ok 2 - two"; exit 1',
	crash: 'echo "ok 1 - one"; kill -SEGV $$',
	silent: 'true',
	hang: 'echo "ok 1 - one"; sleep 60',
};
let root;

function write(name, text, mode = 0o644) {
	const file = path.join(root, name);
	fs.mkdirSync(path.dirname(file), { recursive: true });
	fs.writeFileSync(file, text, { mode });
}

before(() => {
	root = fs.mkdtempSync(path.join(os.tmpdir(), 'yg-run-'));
	fs.mkdirSync(path.join(root, 'tests'));
	fs.copyFileSync(RUN, path.join(root, 'tests/run'));
	write('tests/run', fs.readFileSync(RUN, 'utf8').replace(/^PROGRAM_SECONDS=.*/m, 'PROGRAM_SECONDS=2'), 0o755);
	for (const [name, text] of Object.entries(PROGRAMS)) {
		write(`tests/unit/x/test_${name}.c`, '');
		write(`programs/test_${name}`, `#!/bin/bash\n${text}\n`, 0o755);
	}
	write('tests/unit/x/test_unbuilt.c', '');
	write('Makefile', `VARIANT ?= dev
B := build/$(VARIANT)
unit-binaries: ${[...Object.keys(PROGRAMS), 'unbuilt'].map((n) => `$(B)/unit/x/test_${n}`).join(' ')}
$(B)/unit/x/%: programs/%
	mkdir -p $(@D) && cp $< $@
fuzzers:
	mkdir -p $(B)/bin && printf '#!/bin/bash\\n! grep -rq BAD "$$1"\\n' > $(B)/bin/fuzz_a && chmod +x $(B)/bin/fuzz_a && cp $(B)/bin/fuzz_a $(B)/bin/fuzz_b
.PHONY: unit-binaries fuzzers
`);
	write('tests/fuzz/fuzz_a.c', '');
	write('tests/fuzz/corpus/a/1', 'x');
	write('tests/fuzz/fuzz_b.c', '');
	write('tests/fuzz/corpus/b/1', 'BAD');
	write('tests/fuzz/fuzz_c.c', '');
});
after(() => fs.rmSync(root, { recursive: true }));

function run(...suites) {
	return new Promise((done) => {
		execFile(path.join(root, 'tests/run'), suites, { env: { PATH: process.env.PATH, SUITE_SECONDS: '20' } }, (error, stdout) => done({ code: error?.code ?? 0, lines: stdout.trim().split('\n') }));
	});
}

test('unit: what passes is counted, and each way to die is one failure', async () => {
	const { code, lines } = await run('unit');
	assert.equal(code, 1);
	assert.equal(lines.at(-1), '5 passed, 5 failed', lines.join('\n'));
	for (const text of ['x/test_bad two', 'x/test_crash ended with status 139', 'x/test_silent reported no test', 'x/test_hang ended with status 124', 'test_unbuilt was not built']) {
		assert.ok(lines.some((line) => line.includes(`not ok - ${text}`) || (line.includes('not ok') && line.includes(text))), `${text}\n${lines.join('\n')}`);
	}
});

test('fuzz: a corpus that passes, one that fails, one that is missing', async () => {
	const { lines } = await run('fuzz');
	assert.equal(lines.at(-1), '1 passed, 2 failed', lines.join('\n'));
});

test('lint: by its exit status', async () => {
	write('tests/lint/run', '#!/bin/bash\necho fine\n', 0o755);
	assert.deepEqual((await run('lint')).lines.at(-1), '1 passed, 0 failed');
	assert.equal((await run('lint')).code, 0);
	write('tests/lint/run', '#!/bin/bash\necho wrong; exit 3\n', 0o755);
	const { code, lines } = await run('lint');
	assert.equal(lines.at(-1), '0 passed, 1 failed');
	assert.equal(code, 1);
});

test('a suite that is unknown, has no tests, or dies', async () => {
	assert.equal((await run('nothing')).lines.at(-1), '0 passed, 1 failed');
	assert.equal((await run('story')).lines.at(-1), '0 passed, 1 failed');
	write('tests/package-lock.json', '{}');
	write('tests/node_modules/.package-lock.json', '{}');
	assert.equal((await run('coverage')).lines.at(-1), '0 passed, 1 failed'); /* its program is not there */
});
