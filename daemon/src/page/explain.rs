//! The page of the plain port: why the browser is going to warn, and the way in, in words for everybody.
//!
//! Driven by `http.rs` for visitors on [`super::site::Door::Explain`]. No script; the style is a file of its own, so
//! that the Content-Security-Policy stays as strict as the page's. It answers in the language that the browser
//! asks for first (RFC 9110 section 12.5.4): English, Catalan or Spanish.

use std::borrow::Cow;

use super::{
    request::Request,
    respond::{Response, thousandths},
    site::Site,
};

const STYLE: &str = "\
:root{color-scheme:light dark;--paper:#faf6f0;--ink:#2b2420;--soft:#655a52;--line:#e2d8cc;--accent:#c8553d;--button:#b84a33;--on:#fff}\
@media(prefers-color-scheme:dark){:root{--paper:#1d1917;--ink:#f1e9e0;--soft:#b5a99e;--line:#3d3530;--accent:#e07a5f;--button:#e07a5f;--on:#1d1917}}\
*{box-sizing:border-box}\
body{margin:0;background:var(--paper);color:var(--ink);font:1.125rem/1.55 system-ui,sans-serif}\
main{max-width:36rem;margin:0 auto;padding:32px 24px 64px}\
h1{font-size:1.75rem;line-height:1.25;margin:0 0 16px}\
h2{font-size:1.125rem;margin:40px 0 8px}\
p,ol{margin:0 0 16px}ol{padding-left:24px}li{margin-bottom:8px}\
.go{display:block;margin:32px 0;padding:16px 24px;border-radius:12px;background:var(--button);color:var(--on);\
font-weight:600;text-align:center;text-decoration:none}\
.go:focus-visible{outline:3px solid var(--ink);outline-offset:3px}\
.soft{color:var(--soft)}\
code{display:block;padding:16px;border:1px solid var(--line);border-radius:12px;\
font:1rem/1.7 ui-monospace,monospace;overflow-wrap:break-word}\n";

struct Words {
    lang: &'static str,
    title: &'static str,
    lead: &'static str,
    go: &'static str,
    steps_title: &'static str,
    steps: [&'static str; 3],
    why_title: &'static str,
    why: &'static str,
    sure_title: &'static str,
    sure: &'static str,
}

const LANGUAGES: [Words; 3] = [
    Words {
        lang: "en",
        title: "One step, and then you can call",
        lead: "This router has a telephone for the neighbourhood. Before it opens, your browser will warn you once. \
               That is expected: here is what to do.",
        go: "Open the telephone",
        steps_title: "What you will see",
        steps: [
            "Press the button. A page with a warning appears (“Your connection is not private”, or similar).",
            "Choose “Advanced” or “Show details”.",
            "Choose “Proceed”, “Accept the risk” or “visit this website”. The browser remembers it for this router.",
        ],
        why_title: "Why the warning?",
        why: "Browsers know companies that vouch for web pages. Nobody vouches for a router on a roof: it vouches for \
              itself. What you say is encrypted all the same. Your browser only cannot tell by itself that this is \
              the right router.",
        sure_title: "If you want to be sure",
        sure: "Ask the person who looks after the router for this number, and compare it with the one that the \
               browser shows under “certificate” (SHA-256 fingerprint):",
    },
    Words {
        lang: "ca",
        title: "Un pas, i ja podreu trucar",
        lead: "Aquest encaminador té un telèfon per al veïnat. Abans d’obrir-lo, el navegador us avisarà un cop. \
               És normal: aquí teniu què cal fer.",
        go: "Obre el telèfon",
        steps_title: "Què veureu",
        steps: [
            "Premeu el botó. Surt una pàgina amb un avís («La connexió no és privada» o semblant).",
            "Trieu «Avançat» o «Mostra els detalls».",
            "Trieu «Continua», «Accepta el risc» o «visita aquest lloc web». El navegador ho recordarà per a aquest \
             encaminador.",
        ],
        why_title: "Per què avisa?",
        why: "Els navegadors coneixen empreses que responen per les pàgines web. Ningú no respon per un encaminador \
              de teulada: respon per ell mateix. Tot el que digueu va xifrat igualment. L’únic que el navegador no \
              pot saber tot sol és si aquest és l’encaminador correcte.",
        sure_title: "Si en voleu estar segurs",
        sure: "Demaneu aquest número a qui té cura de l’encaminador, i compareu-lo amb el que el navegador mostra a \
               «certificat» (empremta SHA-256):",
    },
    Words {
        lang: "es",
        title: "Un paso, y ya podrá llamar",
        lead: "Este router tiene un teléfono para el vecindario. Antes de abrirlo, el navegador le avisará una vez. \
               Es normal: esto es lo que hay que hacer.",
        go: "Abrir el teléfono",
        steps_title: "Qué verá",
        steps: [
            "Pulse el botón. Aparece una página con un aviso («La conexión no es privada» o parecido).",
            "Elija «Avanzado» o «Mostrar detalles».",
            "Elija «Continuar», «Aceptar el riesgo» o «visitar este sitio web». El navegador lo recordará para este \
             router.",
        ],
        why_title: "¿Por qué avisa?",
        why: "Los navegadores conocen empresas que responden por las páginas web. Nadie responde por un router de \
              tejado: responde por sí mismo. Todo lo que diga va cifrado igualmente. Lo único que el navegador no \
              puede saber solo es si este es el router correcto.",
        sure_title: "Si quiere estar seguro",
        sure: "Pida este número a quien cuida del router, y compárelo con el que el navegador muestra en \
               «certificado» (huella SHA-256):",
    },
];

/// Answers a visitor of the plain port.
pub(super) fn answer(request: &Request<'_>, site: &Site) -> Response {
    match request.path {
        "/" | "/index.html" => {}
        "/style" => {
            return Response {
                status: 200,
                content_type: "text/css; charset=utf-8",
                headers: "Cache-Control: no-cache\r\n".to_owned(),
                body: Cow::Borrowed(STYLE.as_bytes()),
            };
        }
        _ => return Response::words(404, "There is nothing at this address."),
    }
    let Some(host) = request.host.and_then(host_name) else {
        return Response::words(400, "The request does not say which host it is for.");
    };
    let better = site.place.borrow().better(host);
    let host = better.as_deref().unwrap_or(host);
    let words = language(request.accept_language.unwrap_or_default());
    let steps: String = words.steps.iter().map(|step| format!("<li>{step}\n")).collect();
    let Words { lang, title, lead, go, steps_title, why_title, why, sure_title, sure, .. } = words;
    let port = site.https_port;
    let fingerprint = site.fingerprint.borrow();
    Response::html(
        200,
        format!(
            "<!doctype html>\n<html lang=\"{lang}\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>Truca: {title}</title>\n\
             <link rel=\"stylesheet\" href=\"/style\">\n<main>\n<h1>{title}</h1>\n<p>{lead}\n\
             <p><a class=\"go\" href=\"https://{host}:{port}/\">{go}</a>\n\
             <h2>{steps_title}</h2>\n<ol>\n{steps}</ol>\n\
             <h2>{why_title}</h2>\n<p class=\"soft\">{why}\n\
             <h2>{sure_title}</h2>\n<p class=\"soft\">{sure}\n<p><code>{}</code>\n</main>\n",
            // A line may break after each colon.
            fingerprint.replace(':', ":<wbr>")
        ),
    )
    .with("Vary: Accept-Language\r\n")
}

/// The host without its port, when it is made of nothing but what a name or an address may have: it goes into a link.
pub(super) fn host_name(host: &str) -> Option<&str> {
    let name = match host.strip_prefix('[') {
        Some(rest) => &host[..rest.find(']')? + 2],
        None => host.split(':').next()?,
    };
    let rest = &host[name.len()..];
    let inner = name.trim_start_matches('[').trim_end_matches(']');
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
    let is_port = rest.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()));
    (!inner.is_empty() && inner.bytes().all(allowed) && (rest.is_empty() || is_port)).then_some(name)
}

/// The language with the largest weight that we have; of two with the same, the first.
fn language(accept: &str) -> &'static Words {
    let mut best = (0, &LANGUAGES[0]);
    for part in accept.split(',') {
        let (tag, parameters) = part.split_once(';').unwrap_or((part, ""));
        let weight = parameters.trim().strip_prefix("q=").map_or(Some(1000), thousandths).unwrap_or(0);
        let primary = tag.trim().split('-').next().unwrap_or_default();
        let known = LANGUAGES.iter().find(|words| words.lang.eq_ignore_ascii_case(primary));
        if let Some(words) = known.filter(|_| weight > best.0) {
            best = (weight, words);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browsers_first_language_that_we_have_is_taken() {
        for (accept, lang) in [
            ("", "en"),
            ("ca,en;q=0.8", "ca"),
            ("fr-FR,fr;q=0.9,es-ES;q=0.8,en;q=0.7", "es"),
            ("en;q=0.5, CA-valencia;q=0.6", "ca"),
            ("de", "en"),
            ("es;q=x", "en"),
            ("es;q=0", "en"),
        ] {
            assert_eq!(language(accept).lang, lang, "{accept}");
        }
    }

    #[test]
    fn nothing_but_a_name_or_an_address_gets_into_the_link() {
        for (host, name) in [
            ("casa.mesh:8080", Some("casa.mesh")),
            ("10.13.1.1", Some("10.13.1.1")),
            ("[fd00::1]:8080", Some("[fd00::1]")),
            ("[fd00::1]", Some("[fd00::1]")),
            ("[fd00::1", None),
            ("casa\"><script>", None),
            ("casa:80/evil", None),
            ("user@casa", None),
            ("", None),
            (":80", None),
        ] {
            assert_eq!(host_name(host), name, "{host}");
        }
    }
}
