//! What is read from a certificate, and which keys are taken. Handshakes are in `daemon/tests/http.rs`.

use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};

use super::{
    certificate,
    provider::{P256Key, provider},
};

/// `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=casa`.
const OPENSSL_KEY: &[u8] = include_bytes!("../../tests/fixtures/openssl-sec1.der");
const OPENSSL_CERTIFICATE: &[u8] = include_bytes!("../../tests/fixtures/openssl-cert.der");
/// The same with an RSA key.
const RSA_CERTIFICATE: &[u8] = include_bytes!("../../tests/fixtures/openssl-rsa-cert.der");

fn sec1() -> PrivateKeyDer<'static> {
    PrivateSec1KeyDer::from(OPENSSL_KEY.to_vec()).into()
}

#[test]
fn a_certificate_made_by_openssl_has_the_point_of_its_sec1_key() {
    let key = P256Key::from_der(&sec1()).unwrap();
    assert_eq!(certificate::point(OPENSSL_CERTIFICATE).as_ref(), Some(key.point()));
    let signature = key.sign_der(b"hola").unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.point()).verify(b"hola", &signature).unwrap();
}

#[test]
fn another_kind_of_key_is_refused() {
    assert_eq!(certificate::point(RSA_CERTIFICATE), None);
    assert!(P256Key::from_der(&PrivatePkcs1KeyDer::from(OPENSSL_KEY.to_vec()).into()).is_err());
    assert!(P256Key::from_der(&PrivatePkcs8KeyDer::from(OPENSSL_KEY.to_vec()).into()).is_err());
    assert!(P256Key::from_der(&PrivateSec1KeyDer::from(vec![0x30; 300]).into()).is_err());
}

#[test]
fn a_cut_certificate_has_no_point_and_a_mutated_one_none_but_what_stands_in_it() {
    for length in 0..OPENSSL_CERTIFICATE.len() {
        assert_eq!(certificate::point(&OPENSSL_CERTIFICATE[..length]), None, "{length} bytes");
        assert_eq!(certificate::host(&OPENSSL_CERTIFICATE[..length]), None, "{length} bytes");
    }
    let longer = [OPENSSL_CERTIFICATE, &[0]].concat();
    assert_eq!(certificate::point(&longer), None);
    let point = certificate::point(OPENSSL_CERTIFICATE).unwrap();
    let key = OPENSSL_CERTIFICATE.windows(65).position(|bytes| bytes == point).unwrap();
    let mut refused = vec![0; OPENSSL_CERTIFICATE.len()];
    for at in 0..OPENSSL_CERTIFICATE.len() {
        for bit in 0..8 {
            let mut der = OPENSSL_CERTIFICATE.to_vec();
            der[at] ^= 1 << bit;
            match certificate::point(&der) {
                None => refused[at] += 1,
                // never bytes from anywhere else
                Some(shown) => assert_eq!(shown, der[key..key + 65], "byte {at}, bit {bit}"),
            }
            assert!(
                certificate::host(&der)
                    .is_none_or(|host| der.windows(host.len()).any(|w| w == host.as_bytes()))
            );
        }
    }
    // what says that it is a P-256 key, and how long it is, may not change: algorithm, curve, and the key's first byte
    assert!(refused[key - 26..=key].iter().all(|refused| *refused == 8), "{:?}", &refused[key - 26..=key]);
    // nor may what frames all of it
    assert!(refused[..8].iter().all(|refused| *refused == 8), "{:?}", &refused[..8]);
}

#[test]
fn the_host_of_a_certificate_is_its_first_name_that_is_one_hosts() {
    let host = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|&name| name.into()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        certificate::host(made.cert.der()).map(str::to_owned)
    };
    assert_eq!(
        host(&["10.13.1.1", "*.guifi.net", "casa.guifi.net", "torre.guifi.net"]),
        Some("casa.guifi.net".into())
    );
    assert_eq!(host(&["*.guifi.net"]), None);
    assert_eq!(host(&["10.13.1.1", "fd00::1"]), None);
    assert_eq!(certificate::host(OPENSSL_CERTIFICATE), None);
}

#[test]
fn the_provider_has_four_suites_and_prefers_the_one_without_aes() {
    let provider = provider();
    assert_eq!(provider.cipher_suites.len(), 4);
    assert_eq!(provider.cipher_suites[0].suite(), rustls::CipherSuite::TLS13_CHACHA20_POLY1305_SHA256);
    assert_eq!(provider.kx_groups.len(), 2);
    assert!(provider.key_provider.load_private_key(sec1()).is_ok());
}

#[test]
fn a_fingerprint_looks_as_in_a_browser() {
    assert!(certificate::fingerprint(b"").starts_with("E3:B0:C4:42:98:FC"));
    assert_eq!(certificate::fingerprint(b"").len(), 95);
}
