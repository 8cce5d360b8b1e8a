// Shows the contract of one audience with Swagger UI. Everything is asked of the origin that the page came from.
(async () => {
	const audience = new URLSearchParams(location.search).get('audience');
	const here = location.pathname + (audience ? `?audience=${audience}` : '');
	for (const link of document.querySelectorAll('nav a')) if (link.getAttribute('href') === here) link.setAttribute('aria-current', 'page');
	const answer = await fetch(`/openapi.json${audience ? `?audience=${encodeURIComponent(audience)}` : ''}`);
	const spec = await answer.json();
	if (!answer.ok) {
		const text = document.createElement('p');
		text.className = 'failed';
		text.textContent = spec.detail ?? spec.title;
		document.getElementById('docs').append(text);
		return;
	}
	spec.servers = [{ url: location.origin }]; // "try it out" stays here, whatever name the platform has outside
	window.SwaggerUIBundle({
		spec,
		dom_id: '#docs',
		validatorUrl: null,
		deepLinking: true,
		docExpansion: 'list',
		defaultModelsExpandDepth: 0,
		persistAuthorization: false,
	});
})();
