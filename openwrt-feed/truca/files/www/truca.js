// Leads to the page that trucad serves: same host, its own port (port.js says which, while the daemon runs).
'use strict';
const words = {
  ca: ['Trucades amb la gent de la teva xarxa.', 'Obre Truca',
    "El primer cop, el navegador avisa que no coneix el certificat d'aquest encaminador: és normal."],
  es: ['Llamadas con la gente de tu red.', 'Abrir Truca',
    'La primera vez, el navegador avisa de que no conoce el certificado de este router: es normal.'],
};
const language = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => tag === 'en' || words[tag]);
const open = document.getElementById('open');
const port = Number.isInteger(window.trucaPort) ? window.trucaPort : 8443;
open.href = `https://${location.hostname}:${port}/`;
open.hidden = false;
if (words[language]) {
  document.documentElement.lang = language;
  [document.getElementById('lead').textContent, open.textContent, document.getElementById('hint').textContent] =
    words[language];
}
