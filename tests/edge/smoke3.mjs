import { startEdge } from './support.mjs';
import { Authority } from './pki.mjs';
import { mkdtempSync, mkdirSync, readFileSync } from 'node:fs';
import net from 'node:net'; import tls from 'node:tls';
const dir = mkdtempSync('/tmp/yg/tls/');
const ca = new Authority(dir, 'server-ca');
mkdirSync(dir + '/certs');
ca.issue(dir + '/certs/default', { names: ['localhost', '127.0.0.1'] });
const port = 47123;
const edge = await startEdge({ YG_TLS_LISTEN: `127.0.0.1:${port}`, YG_TLS_CERTIFICATES: dir + '/certs', YG_LOG: 'warn' });
const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${edge.process.pid}/status`, 'utf8'))[1]);
const held = [];
async function open(n, secure) {
	for (let i = 0; i < n; i += 100) {
		await Promise.all(Array.from({ length: 100 }, () => new Promise((done, fail) => {
			const ip = `127.0.0.${2 + Math.floor(held.length / 5000)}`;
			const s = net.connect({ port: secure ? port : edge.port, host: '127.0.0.1', localAddress: ip });
			held.push(s);
			const t = secure ? tls.connect({ socket: s, rejectUnauthorized: false }) : s;
			t.on('error', fail); t.write('GET /problems/not-found HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n');
			t.once('data', () => done());
		})));
	}
}
const b = rss(); console.log('base', b);
if (process.argv[2] === 'tls') { await open(5000, true); console.log('5000 tls', rss(), ((rss() - b) / 5000).toFixed(2), 'KiB each'); }
else { await open(10000); console.log('10000', rss(), ((rss() - b) / 10000).toFixed(2)); await open(10000); console.log('20000', rss(), ((rss() - b) / 20000).toFixed(2)); }
edge.process.kill('SIGKILL'); process.exit(0);
