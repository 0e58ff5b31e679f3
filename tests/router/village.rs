//! People of a router, and what it owes them: whoever was told that the account is kept finds it again.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use serde_json::Value;
use truca_tests::{
    Result,
    page::{Device, Page},
};

use crate::machine::Machine;

/// A new account is on the flash within 5 s (docs/bounds.md), and an emulated router may be slow.
const KEPT_AFTER: Duration = Duration::from_secs(8);

/// One person who has an account.
struct Person {
    name: String,
    device: Option<Device>,
    signed_in: Instant,
    kept: bool,
}

/// All of them.
pub(crate) struct Village {
    rng: SmallRng,
    node: Option<String>,
    people: Vec<Person>,
}

impl Village {
    /// Nobody yet. The seed decides who is asked, and when.
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: SmallRng::seed_from_u64(seed), node: None, people: Vec::new() }
    }

    /// A time between these, by the seed.
    pub(crate) fn moment(&mut self, from: Duration, to: Duration) -> Duration {
        Duration::from_millis(self.rng.random_range(from.as_millis() as u64..to.as_millis() as u64))
    }

    /// Whether something happens, by the seed, that happens once in so many times.
    pub(crate) fn once_in(&mut self, times: u32) -> bool {
        self.rng.random_range(0..times) == 0
    }

    /// A new person, at this page.
    pub(crate) async fn sign_in(&mut self, mut page: Page) -> Result<Page> {
        self.same_node(&page)?;
        let name = format!("p{}", self.people.len());
        let signed_in = page.sign_in(&name).await?;
        if signed_in["created"] != true {
            return Err(format!("{name} was there before: {signed_in}").into());
        }
        self.people.push(Person { name, device: None, signed_in: Instant::now(), kept: false });
        Ok(page)
    }

    /// The page was closed; its key stays with the person.
    pub(crate) fn went(&mut self, page: Page) {
        let name = page.address.split('@').next().unwrap_or_default();
        if let Some(person) = self.people.iter_mut().find(|person| person.name == name) {
            person.device = Some(page.device);
        }
    }

    /// The power is cut now: who has been here for long enough must be found again, the others may have gone.
    pub(crate) fn cut(&mut self) -> usize {
        for person in &mut self.people {
            person.kept |= person.signed_in.elapsed() >= KEPT_AFTER;
        }
        self.people.iter().filter(|person| person.kept).count()
    }

    /// Same node, same people: everybody who is kept has the account, and one of them signs in with the old key.
    pub(crate) async fn all_here(&mut self, machine: &mut Machine, mut page: Page) -> Result {
        self.same_node(&page)?;
        let answer = machine.run("trucad ctl --json accounts '{\"limit\":1000}'").await?;
        let answer: Value = serde_json::from_str(&answer)?;
        let accounts = answer["accounts"].as_array().ok_or_else(|| format!("no accounts: {answer}"))?;
        let here: BTreeSet<&str> =
            accounts.iter().filter_map(|one| one["address"].as_str()?.split('@').next()).collect();
        let lost: Vec<&str> = self
            .people
            .iter()
            .filter(|person| person.kept && !here.contains(person.name.as_str()))
            .map(|person| person.name.as_str())
            .collect();
        if !lost.is_empty() {
            return Err(format!("{} of {} people are lost: {lost:?}", lost.len(), self.people.len()).into());
        }
        let back: Vec<usize> = (0..self.people.len())
            .filter(|at| self.people[*at].kept && self.people[*at].device.is_some())
            .collect();
        if back.is_empty() {
            return Ok(());
        }
        let person = &mut self.people[back[self.rng.random_range(0..back.len())]];
        page.device = person.device.take().ok_or("no key")?;
        let signed_in = page.sign_in(&person.name).await?;
        let created = signed_in["created"] != false;
        person.device = Some(page.device);
        if created { Err(format!("{} is new: {signed_in}", person.name).into()) } else { Ok(()) }
    }

    fn same_node(&mut self, page: &Page) -> Result {
        match &self.node {
            None => self.node = Some(page.node.clone()),
            Some(node) if *node != page.node => {
                return Err(format!("the node was {node} and is {}", page.node).into());
            }
            Some(_) => {}
        }
        Ok(())
    }
}
