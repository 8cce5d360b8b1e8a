#!/bin/sh
# Makes what is secret in development, once: secrets.sh FOLDER STANDINS
set -eu
folder=$1
umask 077
[ -e "$folder/identity.key" ] || openssl rand -hex 32 > "$folder/identity.key"
for service in identity donations transparency; do
	[ -e "$folder/vault-$service" ] || printf 'current k1\nkey k1 %s\nindex %s\n' "$(openssl rand -base64 32)" "$(openssl rand -base64 32)" > "$folder/vault-$service"
done
[ -e "$folder/admin" ] || printf 'admin:%s\n' "$(openssl rand -hex 12)" > "$folder/admin"
[ -e "$folder/log.key" ] || openssl genpkey -algorithm ed25519 -out "$folder/log.key"
sh /deploy/certificate "$folder/tls" server localhost 127.0.0.1 ::1
node "$2/keys.mjs" "$folder/standins"
value() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$folder/standins/standins.json" | head -n 1; }
cat > "$folder/settings" <<SETTINGS
export YG_WECHAT_APPID=$(value appid) YG_WECHAT_SECRET_FILE=$(value secret_file) YG_WXPAY_APPID=$(value appid) YG_WXPAY_MCHID=$(value mchid) YG_WXPAY_SERIAL=$(value merchant_serial)
export YG_WXPAY_KEY_FILE=$(value merchant_key_file) YG_WXPAY_APIV3_KEY_FILE=$(value apiv3_key_file) YG_WXPAY_PUBLIC_KEYS_FILE=$(value wxpay_public_keys_file)
export YG_RECEIPTS_APP=$(value receipts_app) YG_RECEIPTS_KEY_FILE=$(value receipts_key_file)
SETTINGS
# The programs take secrets that nobody else may read only; the stand-ins are root in their containers.
chown -R 10001:10001 "$folder"
# Where the programs and Redis meet, each under a user of its own.
[ ! -d /run/sockets ] || chmod 1777 /run/sockets
