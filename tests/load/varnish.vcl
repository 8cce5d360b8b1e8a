# Varnish before the same origin, with its built-in rules; a request with Authorization may be answered from the store as well, since
# the origin marks its answers public.
vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "${origin_port}"; }
sub vcl_recv {
	if (req.method == "GET" && req.http.Authorization) { return (hash); }
}
