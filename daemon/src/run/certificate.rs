//! The certificate that pages are shown: the owner's, where it can be used, and otherwise the node's own. A bad one
//! costs the certificate, never the telephone; it is tried again until it is good.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::sign::CertifiedKey;

use super::{Running, plan};
use crate::host::config::Config;
use crate::tls::certificate;

/// Before this day nobody who runs this program lived: the clock has not been set.
const FIRST_DAY: u32 = 20_260_101;

/// What pages are shown.
pub(super) struct Shown {
    pub(super) key: Arc<CertifiedKey>,
    /// The host for which browsers trust it: never with the node's own, which no browser knows.
    pub(super) trusted: Option<String>,
    /// Why it is not the owner's, where there is one.
    pub(super) instead: Option<String>,
}

impl Shown {
    /// The owner's certificate; or what is shown without it, and why.
    pub(super) fn choose(config: &Config, otherwise: &Arc<CertifiedKey>) -> Self {
        let own = |instead| Self { key: otherwise.clone(), trusted: None, instead };
        let Some((chain, key)) = &config.certificate else { return own(None) };
        match certificate::load(chain, key) {
            Ok(page) => Self { trusted: plan::trusted_host(config, &page), instead: None, key: page },
            Err(error) => own(Some(error.to_string())),
        }
    }

    pub(super) fn fingerprint(&self) -> String {
        self.key.end_entity_cert().map(|leaf| certificate::fingerprint(leaf)).unwrap_or_default()
    }
}

impl Running {
    /// Takes over the owner's certificate, as it is on disk now. One that cannot be used changes nothing.
    pub(super) fn renew_certificate(&mut self) {
        let shown = Shown::choose(&self.config, &self.own);
        if let Some(why) = shown.instead {
            let own = self.own.end_entity_cert().map(|leaf| certificate::fingerprint(leaf));
            let instead = match own {
                Ok(own) if own == self.fingerprint => "the node's own is shown",
                _ => "the one before goes on",
            };
            return self.trouble("certificate", Some(format!("{instead}: {why}")));
        }
        let fingerprint = shown.fingerprint();
        if fingerprint != self.fingerprint {
            if let Err(why) = self.doors.tls.set_page(&shown.key) {
                return self.trouble("certificate", Some(why.to_string()));
            }
            self.doors.site.fingerprint.replace(fingerprint.clone());
            self.fingerprint = fingerprint;
        }
        self.trusted = shown.trusted;
        self.last_day = last_day(&self.config, &shown.key);
        self.trouble("certificate", None);
    }

    /// Looks whether the owner's certificate has become good, or out of date.
    pub(super) fn look_at_certificate(&mut self) {
        if self.troubles.contains_key("certificate") {
            self.renew_certificate();
        }
        let over = self.last_day.filter(|last| *last < today());
        let day =
            |day: u32| format!("it was good until {}-{:02}-{:02}", day / 10_000, day / 100 % 100, day % 100);
        self.trouble("certificate_expired", over.map(day));
    }
}

/// Until when the owner's certificate is good; the node's own has no date that matters.
pub(super) fn last_day(config: &Config, key: &CertifiedKey) -> Option<u32> {
    config.certificate.as_ref()?;
    certificate::last_day(key.end_entity_cert().ok()?)
}

/// The day, as `20260131`; 0 where the clock has not been set.
fn today() -> u32 {
    #[allow(clippy::disallowed_methods)] // dates are the browsers' affair; here they only make a warning
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let today = date(now.as_secs() / 86_400);
    if today < FIRST_DAY { 0 } else { today }
}

/// The date of a day since 1970 in the Gregorian calendar, whose years begin in March here.
fn date(day: u64) -> u32 {
    let since = day + 719_468;
    let (era, of_era) = (since / 146_097, since % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    ((year + era * 400 + next) * 10_000 + month * 100 + day) as u32
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn days_have_their_dates() {
        for (day, expected) in [
            (0, 19_700_101),
            (58, 19_700_228),
            (11_016, 20_000_229),
            (20_484, 20_260_131),
            (24_855, 20_380_119),
        ] {
            assert_eq!(date(day), expected);
        }
    }
}
