// What deploy/ and docker-compose.yml name must exist, although no container engine and no systemd runs here: files, programs and their
// words, variables, packages. The image's own build is tried dry, with what its Dockerfile copies and nothing else.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';

const root = new URL('../..', import.meta.url).pathname;
process.chdir(root);
const faults = [];
const fault = (where, text) => faults.push(`${where}: ${text}`);
const read = (path) => readFileSync(path, 'utf8');
const list = (value) => (Array.isArray(value) ? value : value == null ? [] : [value]);

/* ── what there is ── */

const sources = execFileSync('git', ['ls-files', '-co', '--exclude-standard', 'common/*.c', 'gateway/*.c', 'services/*.c'], { encoding: 'utf8' }).trim().split('\n');
const known = new Set(sources.flatMap((file) => read(file).match(/(?<=")YG_[A-Z0-9_]+(?=")/g) ?? []));
const services = readdirSync('services').filter((name) => existsSync(`services/${name}/main.c`));
const words = new Set(['serve', 'migrate', 'relay']);
for (const name of words) if (!read('common/service/main.c').includes(`"${name}"`)) fault('common/service/main.c', `no word ${name}`);

function checkVariables(where, names) {
	for (const name of names) if (!known.has(name)) fault(where, `no program reads ${name}`);
}

/** A command line: is its program ours, and its word one that it knows? */
function checkProgram(where, text) {
	const [program, word, ...more] = text.trim().split(/\s+/);
	const name = program.replace(/^\/opt\/yangguang\/bin\//, '');
	const good = name === 'gateway' ? word === undefined : (services.includes(name) || name === '%i') && words.has(word) && !more.length;
	if (!good) fault(where, `"${text}" is no program of ours with a word that it knows`);
}

/* ── docker-compose.yml ── */

const compose = parse(read('docker-compose.yml'), { merge: true });
const dockerfiles = new Set();

function checkService(name, service) {
	const where = `docker-compose.yml, ${name}`;
	const { build } = service;
	if (!build && !service.image) fault(where, 'neither an image nor a build');
	if (build) {
		dockerfiles.add(build.dockerfile);
		if (!existsSync(join(build.context, build.dockerfile))) fault(where, `${build.dockerfile} does not exist`);
	}
	for (const volume of list(service.volumes)) {
		const [source] = volume.split(':');
		if (source.startsWith('.') ? !existsSync(source) : !(source in compose.volumes)) fault(where, `volume ${source} does not exist`);
	}
	for (const other of Object.keys(service.depends_on ?? {})) {
		if (!compose.services[other]) fault(where, `depends on ${other}`);
		else if (service.depends_on[other].condition === 'service_healthy' && !compose.services[other].healthcheck) fault(where, `${other} has no healthcheck`);
	}
	for (const { source } of list(service.configs)) if (!compose.configs[source]) fault(where, `config ${source}`);
	const net = /^service:(.*)$/.exec(service.network_mode ?? '')?.[1];
	if (net && !compose.services[net]) fault(where, `network of ${net}`);
	checkVariables(where, Object.keys(service.environment ?? {}).filter((v) => v.startsWith('YG_') && v !== 'YG_DB_PASSWORD'));
	const command = list(service.command);
	if (build?.dockerfile === 'deploy/docker/Dockerfile') {
		const line = command[0] === 'sh' ? command[2] : command.join(' ');
		for (const part of line.split('&&').map((p) => p.trim()).filter((p) => !p.startsWith('. '))) checkProgram(where, part.replace(/^exec /, ''));
	}
	if (command[0] === 'node' && !existsSync(join('tests/standins', command[1]))) fault(where, `${command[1]} is no stand-in`);
}
for (const [name, service] of Object.entries(compose.services)) checkService(name, service);
for (const [name, config] of Object.entries(compose.configs)) if (!existsSync(config.file)) fault('docker-compose.yml', `config ${name}: ${config.file}`);
for (const name of services) {
	for (const process of [name, `relay-${name}`]) if (!compose.services[process]) fault('docker-compose.yml', `no service ${process}`);
	if (!compose.services.gateway.environment.YG_UPSTREAMS.includes(`${name}=`)) fault('docker-compose.yml', `the gateway has no upstream ${name}`);
}
checkVariables('deploy/docker/secrets.sh', read('deploy/docker/secrets.sh').match(/YG_[A-Z0-9_]+(?==)/g) ?? []);

/* What a program cannot start without. */
const given = read('deploy/docker/secrets.sh').match(/YG_[A-Z0-9_]+(?==)/g);
for (const name of ['gateway', ...services]) {
	const own = sources.filter((file) => file.startsWith(name === 'gateway' ? 'gateway/' : `services/${name}/`) || (name !== 'gateway' && file.startsWith('common/service/')));
	const needed = own.flatMap((file) => [...read(file).matchAll(/config_need\(\w+, "(YG_[A-Z0-9_]+)"\)/g)].map((m) => m[1]));
	for (const variable of new Set(needed))
		if (!(variable in compose.services[name].environment) && !given.includes(variable)) fault(`docker-compose.yml, ${name}`, `it needs ${variable}`);
}

/* ── Dockerfiles ── */

function stages(path) {
	const all = [];
	for (const line of read(path).replace(/\\\n/g, ' ').split('\n')) {
		const from = /^FROM \S+(?: AS (\S+))?/.exec(line);
		if (from) all.push({ name: from[1], copies: [], runs: [] });
		const copy = /^COPY (?!--from)(.+) (\S+)$/.exec(line);
		if (copy) all.at(-1).copies.push(...copy[1].split(/\s+/));
		const run = /^RUN (.+)$/.exec(line);
		if (run) all.at(-1).runs.push(run[1]);
	}
	return all;
}

for (const path of dockerfiles)
	for (const stage of stages(path)) for (const source of stage.copies) if (!existsSync(source)) fault(path, `COPY ${source}: there is no such thing`);

const build = stages('deploy/docker/Dockerfile').find((s) => s.name === 'build');
const wanted = /packages="([^"]*)"/s.exec(read('deploy/local/install'))[1].split(/\s+/).filter((p) => p.endsWith('-dev') || p === 'node-llhttp');
for (const name of wanted) if (!build.runs.some((run) => run.split(/\s+/).includes(name))) fault('deploy/docker/Dockerfile', `package ${name} is not installed where it is built`);
const place = mkdtempSync(join(tmpdir(), 'deploy-'));
for (const source of build.copies) {
	const to = join(place, source);
	mkdirSync(dirname(to), { recursive: true });
	if (existsSync(source)) symlinkSync(join(root, source), to);
}
const make = build.runs.map((run) => /(?:^|&& )(make .*)$/.exec(run)?.[1]).find(Boolean);
const dry = spawnSync('sh', ['-c', make.replace('make ', 'make --no-print-directory -n ')], { cwd: place, encoding: 'utf8', env: { PATH: process.env.PATH } });
if (dry.status) fault('deploy/docker/Dockerfile', `"${make}" cannot be done with what is copied:\n${dry.stderr}`);
for (const program of ['gateway', ...services]) if (!dry.stdout.includes(`bin/${program}`)) fault('deploy/docker/Dockerfile', `${program} is not built`);

/* ── systemd ── */

const units = readdirSync('deploy/systemd');
const stand = join(place, 'root');
mkdirSync(join(stand, 'opt/yangguang/bin'), { recursive: true });
mkdirSync(join(stand, 'units'));
for (const name of ['gateway', ...services]) symlinkSync('/bin/true', join(stand, 'opt/yangguang/bin', name));
for (const unit of units) {
	const where = `deploy/systemd/${unit}`, text = read(where);
	for (const line of text.match(/^ExecStart(?:Pre)?=.*$/gm) ?? []) checkProgram(where, line.replace(/^\w+=/, ''));
	checkVariables(where, text.match(/YG_[A-Z0-9_]+(?==)/g) ?? []);
	for (const name of text.match(/yangguang[a-z@-]*\.(?:service|socket)/g) ?? [])
		if (!units.includes(name) && !units.includes(name.replace(/@.*\./, '@.'))) fault(where, `${name} is no unit of ours`);
	writeFileSync(join(stand, 'units', unit), text.replaceAll('/opt/yangguang', join(stand, 'opt/yangguang')));
}
/* Where systemd itself is, it reads them too; an instance of each template. */
if (spawnSync('systemd-analyze', ['--version']).status === 0) {
	const instances = units.map((unit) => {
		const name = unit.replace('@.', `@${services[0]}.`);
		if (name !== unit) writeFileSync(join(stand, 'units', name), read(join(stand, 'units', unit)));
		return join(stand, 'units', name);
	});
	const said = spawnSync('systemd-analyze', ['verify', '--man=no', ...instances], { encoding: 'utf8', env: { ...process.env, SYSTEMD_UNIT_PATH: `${join(stand, 'units')}:` } });
	const ours = said.stderr.split('\n').filter((line) => line.includes('yangguang') && !/User|not found|No such file/.test(line));
	for (const line of ours) fault('systemd-analyze', line.replaceAll(stand, ''));
}
rmSync(place, { recursive: true });

/* ── the table of variables ── */

const table = new Set(read('ARCHITECTURE.md').split('\n').filter((line) => line.startsWith('| `YG_')).flatMap((line) => line.split('|')[1].match(/YG_[A-Z0-9_]+/g)));
for (const name of known) if (!table.has(name) && name !== 'YG_HANDOVER') fault('ARCHITECTURE.md', `the table has no ${name}`);
checkVariables('ARCHITECTURE.md', table);

for (const text of faults) console.log(text);
process.exit(faults.length ? 1 : 0);
