//! Power cuts at random moments: while people come, while their accounts are written, while the router boots.

use std::{
    env,
    time::{Duration, SystemTime},
};

use tokio::time::sleep;
use truca_tests::{Result, page::Page};

use crate::{machine::Machine, report::Report, village::Village};

/// The longest that a router has between its node's first page and the cut.
const LIFE: Duration = Duration::from_secs(8);
/// A cut within this time after the power came is one during the boot.
const BOOT: Duration = Duration::from_secs(6);
/// How often such a cut comes before the one that is told: once in so many.
const AT_BOOT: u32 = 4;
/// The longest between one person and the next.
const NEXT: Duration = Duration::from_secs(1);

/// How many, and by which seed.
pub(crate) struct Cuts {
    pub(crate) count: u32,
    pub(crate) seed: u64,
}

impl Cuts {
    /// By `TRUCA_ROUTER_CUTS` (20) and `TRUCA_ROUTER_SEED` (the time).
    pub(crate) fn from_environment() -> Result<Self> {
        let number = |name: &str| {
            env::var(name).ok().filter(|text| !text.is_empty()).map(|text| text.parse::<u64>()).transpose()
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        Ok(Self {
            count: u32::try_from(number("TRUCA_ROUTER_CUTS")?.unwrap_or(20))?,
            seed: number("TRUCA_ROUTER_SEED")?.unwrap_or(now.as_secs()),
        })
    }

    /// All of them; how many the router has survived with its node and its people.
    pub(crate) async fn run(
        &self,
        machine: &mut Machine,
        village: &mut Village,
        report: &mut Report,
    ) -> Result<u32> {
        let mut survived = 0;
        for number in 1..=self.count {
            let (what, outcome) = self.one(machine, village).await;
            survived += u32::from(outcome.is_ok());
            report.holds(
                &format!("power cut {number} of {}, {what}: same node, same people", self.count),
                outcome,
            );
        }
        Ok(survived)
    }

    async fn one(&self, machine: &mut Machine, village: &mut Village) -> (String, Result) {
        let moment = village.moment(Duration::ZERO, LIFE);
        let mut what = format!("{:.1} s after the node's first page", moment.as_secs_f64());
        let outcome = async {
            let kept = live_and_end(machine, village, moment).await?;
            what += &format!(", {kept} people were told that they are kept");
            if village.once_in(AT_BOOT) {
                let moment = village.moment(Duration::ZERO, BOOT);
                what += &format!(", and again {:.1} s after the power came", moment.as_secs_f64());
                machine.power_on_for(moment).await?;
            }
            machine.power_on().await?;
            let page = machine.first_page().await?;
            village.all_here(machine, page).await
        };
        let outcome = outcome.await;
        (what, outcome)
    }
}

/// People come until the moment; then the power is cut. How many have been told that their account is kept.
async fn live_and_end(machine: &mut Machine, village: &mut Village, moment: Duration) -> Result<usize> {
    let lived = async {
        loop {
            let page = Page::open(machine.page()).await?;
            let page = village.sign_in(page).await?;
            village.waits(page)?;
            sleep(village.moment(Duration::ZERO, NEXT)).await;
        }
    };
    let ended: std::result::Result<Result, _> = tokio::time::timeout(moment, lived).await;
    if let Ok(Err(error)) = ended {
        return Err(format!("before the cut it serves nobody: {error}").into());
    }
    machine.power_cut().await?;
    village.cut().await
}
