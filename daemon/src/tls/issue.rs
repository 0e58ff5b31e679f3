//! Writes the node's own certificate (RFC 5280): one form, of which four values differ.
//!
//! Own code, because one certificate is written in a node's life: `rcgen` was 12 KB of the mips package for the
//! same bytes, which a test holds this to. Driven by `host/identity.rs`.

use super::{certificate::P256, provider::P256Key};

/// ecdsa-with-SHA256 (RFC 5758 section 3.2), as AlgorithmIdentifier.
const ALGORITHM: [u8; 12] = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// commonName (RFC 5280 appendix A).
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];
/// From 2020 to 2099, so that no clock that a router or a phone may have contradicts it.
const VALIDITY: &[u8] = b"\x17\x0d200101000000Z\x18\x0f20991231000000Z";
/// subjectAltName (RFC 5280 section 4.2.1.6).
const ALTERNATIVE_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x1d, 0x11];
/// keyUsage, critical: digitalSignature (RFC 5280 section 4.2.1.3).
const USAGE: [u8; 16] = [0x30, 0x0e, 6, 3, 0x55, 0x1d, 0x0f, 1, 1, 0xff, 4, 4, 3, 2, 7, 0x80];
/// extKeyUsage: serverAuth, clientAuth (RFC 5280 section 4.2.1.12).
const EXTENDED_USAGE: [u8; 31] = [
    0x30, 0x1d, 6, 3, 0x55, 0x1d, 0x25, 4, 0x16, 0x30, 0x14, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1, 6, 8, 0x2b, 6,
    1, 5, 5, 7, 3, 2,
];

const SEQUENCE: u8 = 0x30;

/// An element of DER (X.690 section 8.1). Everything here is below 64 KiB.
fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let (length, high, low) = (content.len(), (content.len() >> 8) as u8, content.len() as u8);
    let mut out = match length {
        0..=0x7f => vec![tag, low],
        0x80..=0xff => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    out.extend(content);
    out
}

/// A certificate that the key signs for itself: serial number (its first bit clear, its first byte not zero),
/// subject and issuer, and DNS names. `None` when the system has no random numbers.
pub fn self_signed(key: &P256Key, serial: &[u8], subject: &str, names: &[&str]) -> Option<Vec<u8>> {
    // UTF8String
    let name = element(0x0c, &[subject.as_bytes()]);
    let name = element(SEQUENCE, &[&element(0x31, &[&element(SEQUENCE, &[&COMMON_NAME, &name])])]);
    let names: Vec<Vec<u8>> = names.iter().map(|name| element(0x82, &[name.as_bytes()])).collect();
    let names = element(SEQUENCE, &[&names.concat()]);
    let names = element(SEQUENCE, &[&ALTERNATIVE_NAME, &element(4, &[&names])]);
    let extensions = element(SEQUENCE, &[&names, &USAGE, &EXTENDED_USAGE]);
    let signed = element(
        SEQUENCE,
        &[
            // version 3
            &[0xa0, 3, 2, 1, 2],
            &element(2, &[serial]),
            &ALGORITHM,
            &name,
            &element(SEQUENCE, &[VALIDITY]),
            &name,
            &element(SEQUENCE, &[&P256, key.point()]),
            &element(0xa3, &[&extensions]),
        ],
    );
    let signature = key.sign_der(&signed).ok()?;
    // a BIT STRING whose last byte is used whole
    Some(element(SEQUENCE, &[&signed, &ALGORITHM, &element(3, &[&[0], &signature])]))
}

#[cfg(test)]
mod tests {
    use rcgen::{
        CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyUsagePurpose,
        PublicKeyData, SanType, SerialNumber, SigningKey,
    };
    use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

    use super::*;

    /// The same key, as rcgen asks for it.
    struct Issuer<'a>(&'a P256Key);

    impl PublicKeyData for Issuer<'_> {
        fn der_bytes(&self) -> &[u8] {
            self.0.point()
        }

        fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
            &rcgen::PKCS_ECDSA_P256_SHA256
        }
    }

    impl SigningKey for Issuer<'_> {
        fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
            self.0.sign_der(message).map_err(|_| rcgen::Error::RingUnspecified)
        }
    }

    /// The content of an element, and what is behind it.
    fn take(der: &[u8]) -> (&[u8], &[u8]) {
        let (header, length) = match der[1] {
            0x82 => (4, usize::from(der[2]) << 8 | usize::from(der[3])),
            0x81 => (3, usize::from(der[2])),
            n => (2, usize::from(n)),
        };
        (&der[header..header + length], &der[header + length..])
    }

    #[test]
    fn it_is_to_the_byte_what_rcgen_writes_and_is_signed() {
        let key = P256Key::from_pkcs8(&P256Key::generate_pkcs8().unwrap()).unwrap();
        for subject in ["Truca node aeaqcaibaeaqcaibaeaqcaibae", "é"] {
            for names in
                [&["casa", "truca.local"][..], &["a", &"x".repeat(60), &"y".repeat(60), &"z".repeat(60)]]
            {
                let serial = [0x41; 16];
                let mut params = CertificateParams::default();
                params.not_before = rcgen::date_time_ymd(2020, 1, 1);
                params.not_after = rcgen::date_time_ymd(2099, 12, 31);
                params.serial_number = Some(SerialNumber::from_slice(&serial));
                params.distinguished_name = DistinguishedName::new();
                params.distinguished_name.push(DnType::CommonName, subject);
                params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
                params.extended_key_usages =
                    vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
                let name = |name: &&str| SanType::DnsName((*name).try_into().unwrap());
                params.subject_alt_names = names.iter().map(name).collect();
                let theirs = params.self_signed(&Issuer(&key)).unwrap();
                let ours = self_signed(&key, &serial, subject, names).unwrap();
                let (certificate, rest) = take(&ours);
                assert!(rest.is_empty());
                let (_, behind) = take(certificate);
                let signed = &certificate[..certificate.len() - behind.len()];
                assert!(take(theirs.der()).0.starts_with(signed), "{subject} {names:?}");
                let (algorithm, signature) = take(behind);
                assert_eq!(algorithm, &ALGORITHM[2..]);
                let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.point());
                public.verify(signed, &take(signature).0[1..]).unwrap();
                assert_eq!(crate::tls::certificate::point(&ours).as_ref(), Some(key.point()));
            }
        }
    }
}
