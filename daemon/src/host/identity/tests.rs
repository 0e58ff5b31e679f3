//! The identity survives restarts, and says what is wrong instead of becoming another.

use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

use super::*;

/// A directory that is gone when the test ends.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("truca-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn load(&self) -> Result<Identity, Error> {
        Identity::load_or_create(&self.0, "casa")
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap()
    }

    fn mode(&self, file: &str) -> u32 {
        fs::metadata(self.0.join(file)).unwrap().permissions().mode() & 0o777
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn key_and_certificate_are_the_same_after_a_restart() {
    let directory = Directory::new("restart");
    let first = directory.load().unwrap();
    let (key, certificate) = (directory.read(KEY_FILE), directory.read(CERTIFICATE_FILE));
    let second = Identity::load_or_create(&directory.0, "renamed").unwrap();
    assert_eq!((key, certificate), (directory.read(KEY_FILE), directory.read(CERTIFICATE_FILE)));
    assert_eq!((first.id(), first.point()), (second.id(), second.point()));
    assert_eq!(first.fingerprint(), second.fingerprint());
    assert_eq!(first.agreement_secret(), second.agreement_secret());
    assert_eq!(first.fingerprint().len(), 95);
}

#[test]
fn nobody_else_can_read_the_key() {
    let directory = Directory::new("modes");
    directory.load().unwrap();
    assert_eq!(directory.mode(""), 0o700);
    assert_eq!(directory.mode(KEY_FILE), 0o600);
    fs::set_permissions(directory.0.join(KEY_FILE), fs::Permissions::from_mode(0o644)).unwrap();
    directory.load().unwrap();
    assert_eq!(directory.mode(KEY_FILE), 0o600);
}

#[test]
fn a_corrupt_key_is_an_error_that_says_what_to_do_and_stays() {
    let directory = Directory::new("corrupt");
    directory.load().unwrap();
    for corrupt in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "\u{0}\u{1}"] {
        fs::write(directory.0.join(KEY_FILE), corrupt).unwrap();
        let words = directory.load().unwrap_err().to_string();
        assert!(words.contains("restore it from a backup"), "{words}");
        assert_eq!(directory.read(KEY_FILE), corrupt);
    }
}

#[test]
fn a_missing_or_foreign_certificate_is_made_again_for_the_same_key() {
    let (directory, other) = (Directory::new("remade"), Directory::new("foreign"));
    let first = directory.load().unwrap();
    other.load().unwrap();
    let path = directory.0.join(CERTIFICATE_FILE);
    fs::remove_file(&path).unwrap();
    let remade = directory.load().unwrap();
    assert_eq!(remade.id(), first.id());
    // Another serial number, or Firefox would refuse it without appeal.
    assert_ne!(remade.fingerprint(), first.fingerprint());
    for foreign in [other.read(CERTIFICATE_FILE), "nonsense".to_owned()] {
        fs::write(&path, foreign).unwrap();
        let remade = directory.load().unwrap();
        assert_eq!(remade.id(), first.id());
        assert_eq!(certificate::point(&remade.certificate), Some(first.point()));
        assert_eq!(directory.load().unwrap().fingerprint(), remade.fingerprint());
    }
}

#[test]
fn what_it_signs_verifies_with_its_point() {
    let directory = Directory::new("sign");
    let identity = directory.load().unwrap();
    let signature = identity.sign(b"hola");
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, identity.point());
    key.verify(b"hola", &signature).unwrap();
    key.verify(b"Hola", &signature).unwrap_err();
}

#[test]
fn what_a_power_cut_left_behind_is_no_obstacle() {
    let directory = Directory::new("power-cut");
    fs::create_dir_all(&directory.0).unwrap();
    fs::write(directory.0.join("node.new"), "half a k").unwrap();
    directory.load().unwrap();
    assert_eq!(directory.mode(KEY_FILE), 0o600);
    assert!(!directory.0.join("node.new").exists());
}

#[test]
fn a_state_directory_that_cannot_be_made_is_an_error_with_its_path() {
    let words = Identity::load_or_create(Path::new("/proc/truca"), "casa").unwrap_err().to_string();
    assert!(words.contains("/proc/truca"), "{words}");
}

#[test]
fn the_owners_certificate_must_fit_its_key() {
    let (one, two) = (Directory::new("own-one"), Directory::new("own-two"));
    one.load().unwrap();
    two.load().unwrap();
    let path = |directory: &Directory, file| directory.0.join(file);
    certificate::load(&path(&one, CERTIFICATE_FILE), &path(&one, KEY_FILE)).unwrap();
    let mismatch = certificate::load(&path(&one, CERTIFICATE_FILE), &path(&two, KEY_FILE)).unwrap_err();
    assert!(matches!(mismatch, certificate::LoadError::Mismatch(_)), "{mismatch}");
    let swapped = certificate::load(&path(&one, KEY_FILE), &path(&one, KEY_FILE)).unwrap_err();
    assert!(matches!(swapped, certificate::LoadError::NoPem(_)), "{swapped}");
}
