//! People of a router, and what it owes them: whoever was told that the account is kept finds it again.

use std::{collections::BTreeSet, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use serde_json::Value;
use tokio::task::JoinHandle;
use truca_tests::{
    Result,
    page::{Device, Page},
};

use crate::machine::Machine;

/// One person who has an account.
struct Person {
    name: String,
    /// The page has said `kept`: the account outlives a power cut.
    kept: bool,
    /// The key, once it was told so.
    device: Option<Device>,
    /// The page that waits for the word.
    waiting: Option<JoinHandle<Option<Page>>>,
}

/// All of them.
pub(crate) struct Village {
    rng: SmallRng,
    node: Option<String>,
    people: Vec<Person>,
    /// Names that were asked for: a cut may come between the account and the answer.
    names: u32,
}

impl Village {
    /// Nobody yet. The seed decides who is asked, and when.
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: SmallRng::seed_from_u64(seed), node: None, people: Vec::new(), names: 0 }
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
        self.names += 1;
        let name = format!("p{}", self.names);
        let signed_in = page.sign_in(&name).await?;
        if signed_in["created"] != true {
            return Err(format!("{name} was there before: {signed_in}").into());
        }
        self.people.push(Person { name, kept: false, device: None, waiting: None });
        Ok(page)
    }

    /// Waits until the page is told that its account is kept, and closes it.
    pub(crate) async fn told(&mut self, mut page: Page) -> Result {
        page.event("kept").await?;
        let person = self.person(&page)?;
        person.kept = true;
        person.device = Some(page.device);
        Ok(())
    }

    /// Leaves the page open, until it is told, or until the power is cut.
    pub(crate) fn waits(&mut self, mut page: Page) -> Result {
        let person = self.person(&page)?;
        person.waiting = Some(tokio::spawn(async move { page.event("kept").await.ok().map(|_| page) }));
        Ok(())
    }

    /// The power was cut. Who was told must be found again, the others may have gone; how many were told.
    pub(crate) async fn cut(&mut self) -> Result<usize> {
        for person in &mut self.people {
            let Some(waiting) = person.waiting.take() else { continue };
            if !waiting.is_finished() {
                waiting.abort();
            } else if let Some(page) = waiting.await? {
                person.kept = true;
                person.device = Some(page.device);
            }
        }
        Ok(self.people.iter().filter(|person| person.kept).count())
    }

    fn person(&mut self, page: &Page) -> Result<&mut Person> {
        let name = page.address.split('@').next().unwrap_or_default();
        let found = self.people.iter_mut().find(|person| person.name == name);
        found.ok_or_else(|| format!("{name} is nobody here").into())
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
