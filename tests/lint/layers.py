"""Includes may only point to the layers below, and third-party headers stay in their one folder."""
import re
import subprocess
import sys

BELOW = {
    'common/core': set(),
    'common/json': {'core'},
    'common/contract': {'core', 'json'},
    'common/crypto': {'core'},
    'common/auth': {'core', 'json', 'crypto'},
    'common/net': {'core'},
    'common/http': {'core', 'json', 'net'},
    'common/pg': {'core', 'json', 'net'},
    'common/cache': {'core', 'net'},
    'common/service': {'core', 'json', 'contract', 'crypto', 'auth', 'net', 'http', 'pg', 'cache'},
    'gateway': {'core', 'json', 'contract', 'crypto', 'auth', 'net', 'http', 'cache', 'service'},
    'services': {'core', 'json', 'crypto', 'auth', 'service', 'http'},
    'deploy': {'core', 'json', 'crypto'},
}
# A service sees the runtime, the message type that the runtime speaks, the content codings (bytes in, bytes out), and no driver.
SERVICE_HTTP = {'common/http/message.h', 'common/http/coding.h'}
GATEWAY_SERVICE = {'metrics.h', 'otlp.h', 'trace.h', 'private_listener.h'}
OWNERS = {
    'uv.h': 'common/net', 'llhttp.h': 'common/http', 'curl/curl.h': 'common/http', 'libpq-fe.h': 'common/pg',
    'cJSON.h': 'common/json', 'cjson/cJSON.h': 'common/json', 'yaml.h': 'common/contract', 'pcre2.h': 'common/contract',
    'zlib.h': 'common/http', 'brotli/encode.h': 'common/http', 'brotli/decode.h': 'common/http',
    'xlsxwriter.h': 'services', 'argon2.h': 'common/crypto', 'hiredis/hiredis.h': 'common/cache', 'hiredis/async.h': 'common/cache',
}
# TLS is the net layer's; everything else of OpenSSL is common/crypto's.
TLS = {'openssl/ssl.h', 'openssl/err.h', 'openssl/ocsp.h', 'openssl/x509v3.h', 'openssl/evp.h', 'openssl/core_names.h'}
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def folder_of(path):
    parts = path.split('/')
    return '/'.join(parts[:2]) if parts[0] == 'common' else parts[0]


def faults(path):
    folder = folder_of(path)
    with open(path, encoding='utf-8') as source:
        for number, line in enumerate(source, 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            kind, target = match.groups()
            if kind == '<':
                if folder == 'common/net' and target in TLS:
                    continue
                owner = 'common/crypto' if target.startswith('openssl/') else OWNERS.get(target)
                if owner and owner != folder:
                    yield number, f'<{target}> belongs to {owner}'
                continue
            target_folder = folder_of(target)
            if target_folder == folder:
                if folder == 'services' and target.split('/')[:2] != path.split('/')[:2]:
                    yield number, f'{target} is another service'
                continue
            layer = target_folder.removeprefix('common/')
            if not target_folder.startswith('common/') or layer not in BELOW[folder]:
                yield number, f'{folder} may not include {target}'
            elif folder == 'services' and layer == 'http' and target not in SERVICE_HTTP:
                yield number, f'a service may not include {target}'
            elif folder == 'services' and layer == 'service' and target != 'common/service/service.h':
                yield number, f'a service sees common/service/service.h only, not {target}'
            elif folder == 'gateway' and layer == 'service' and target.split('/')[-1] not in GATEWAY_SERVICE:
                yield number, f'the gateway may not include {target}'


def main():
    listed = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard', '--', 'common/*.[ch]', 'gateway/*.[ch]', 'services/*.[ch]',
                             'deploy/*.[ch]'],
                            capture_output=True, text=True, check=True).stdout.split()
    found = [(path, number, text) for path in listed for number, text in faults(path)]
    for path, number, text in found:
        print(f'{path}:{number}: {text}')
    return 1 if found else 0


sys.exit(main())
