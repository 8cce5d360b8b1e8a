import { startEdge } from './support.mjs';
import { Authority } from './pki.mjs';
import { mkdtempSync, mkdirSync, writeFileSync } from 'node:fs';
import { execFileSync, spawn } from 'node:child_process';
const dir = mkdtempSync('/tmp/yg/tls/');
const ca = new Authority(dir, 'server-ca');
mkdirSync(dir + '/certs');
ca.issue(dir + '/certs/default', { names: ['localhost', '127.0.0.1'] });
const port = 47123, nport = 47130, nplain = 47131;
const edge = await startEdge({ YG_TLS_LISTEN: `127.0.0.1:${port}`, YG_TLS_CERTIFICATES: dir + '/certs', YG_LOG: 'warn' });
const sample = await fetch(`http://127.0.0.1:${edge.port}/problems/not-found`);
const text = await sample.text();
console.log(sample.status, text.length, sample.headers);
mkdirSync(dir + '/cache');
writeFileSync(dir + '/body.txt', text);
writeFileSync(dir + '/nginx.conf', `daemon off; user root; worker_processes 1; pid ${dir}/nginx.pid; error_log ${dir}/err.log; events { worker_connections 4096; }
http { access_log off; keepalive_requests 10000000; client_body_temp_path ${dir}/b; proxy_temp_path ${dir}/p; fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
proxy_cache_path ${dir}/cache keys_zone=z:10m;
server { listen 127.0.0.1:47132; location / { root ${dir}; add_header Cache-Control max-age=600; } }
server { listen 127.0.0.1:${nplain}; listen 127.0.0.1:${nport} ssl; ssl_certificate ${dir}/certs/default.crt; ssl_certificate_key ${dir}/certs/default.key; ssl_protocols TLSv1.2 TLSv1.3;
location /return { return 200 "${'x'.repeat(text.length)}"; }
location / { proxy_pass http://127.0.0.1:47132; proxy_cache z; proxy_cache_valid 200 10m; } } }`);
const nginx = spawn('/usr/sbin/nginx', ['-c', dir + '/nginx.conf', '-p', dir], { stdio: 'inherit' });
await new Promise((r) => setTimeout(r, 700));
const cpu = (pid) => { const f = execFileSync('cat', [`/proc/${pid}/stat`]).toString().split(' '); return Number(f[13]) + Number(f[14]); };
const kids = (pid) => execFileSync('cat', [`/proc/${pid}/task/${pid}/children`]).toString().trim().split(' ').filter(Boolean);
const run = (name, url, pid) => {
	const before = cpu(pid);
	const out = execFileSync('wrk', ['-t1', '-c64', '-d4s', url]).toString();
	const rps = Number(/Requests\/sec:\s+([\d.]+)/.exec(out)[1]);
	const used = cpu(pid) - before;
	console.log(name.padEnd(22), rps.toFixed(0), 'req/s', (used * 1e4 / (rps * 4)).toFixed(1), 'us/req', /Non-2xx.*/.exec(out)?.[0] ?? '');
};
const g = edge.process.pid, n = kids(nginx.pid)[0];
for (let i = 0; i < 3; i++) {
	run('gateway plain', `http://127.0.0.1:${edge.port}/problems/not-found`, g);
	run('nginx plain cache', `http://127.0.0.1:${nplain}/body.txt`, n);
	run('gateway tls', `https://127.0.0.1:${port}/problems/not-found`, g);
	run('nginx tls cache', `https://127.0.0.1:${nport}/body.txt`, n);
	run('nginx tls return', `https://127.0.0.1:${nport}/return`, n);
}
nginx.kill();
console.log(await edge.stop());
