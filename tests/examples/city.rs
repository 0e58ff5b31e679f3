//! What goes on in a growing mesh, every ten virtual seconds: `city [NODES] [SEED] [LOSS_PERMILLE] [SECONDS] [DEATHS]`.

use std::time::{Duration, Instant};

use truca_tests::sim::Mesh;

const SECOND: Duration = Duration::from_secs(1);

/// The smallest, the middle and the largest.
fn spread(mut values: Vec<u64>) -> String {
    values.sort_unstable();
    let last = values.len() - 1;
    format!("{}/{}/{}", values[0], values[last / 2], values[last])
}

fn show(mesh: &mut Mesh, began: Instant) {
    let running = mesh.running();
    let statuses: Vec<_> = running.iter().map(|host| mesh.status(*host)).collect();
    let of = |path: &str| {
        spread(
            statuses.iter().map(|s| s.pointer(path).and_then(|v| v.as_u64()).unwrap_or_default()).collect(),
        )
    };
    println!(
        "{:>5.0} s, wall {:>4.0} s, {} nodes: alive {}, records {}, deaths {}, links {}, not_spread {}, strangers {}, \
         checked {}, comparisons {}, refused {}, failed {}, too_often {}, dropped {}, full {}, orphan {}, agrees {}",
        mesh.now().as_secs_f64(),
        began.elapsed().as_secs_f64(),
        running.len(),
        of("/members_alive"),
        of("/records"),
        of("/deaths"),
        of("/links"),
        of("/counters/gossip/not_spread"),
        of("/counters/gossip/strangers"),
        of("/counters/directory/checked"),
        of("/counters/links/comparisons"),
        of("/counters/links/refused"),
        of("/counters/links/failed"),
        of("/counters/links/too_often"),
        of("/counters/records_dropped"),
        of("/counters/directory/full"),
        of("/counters/directory/orphan"),
        mesh.agrees(),
    );
}

fn main() {
    let arguments: Vec<u64> = std::env::args().skip(1).map(|a| a.parse().expect("a number")).collect();
    let argument = |at: usize, default| arguments.get(at).copied().unwrap_or(default);
    let (count, seed, loss, seconds) =
        (argument(0, 100) as usize, argument(1, 21), argument(2, 50), argument(3, 300));
    let began = Instant::now();
    let mut mesh = Mesh::new(seed, count);
    mesh.weather.loss_permille = loss as u32;
    for host in 0..count {
        let peers: Vec<usize> = host.checked_sub(1).into_iter().collect();
        mesh.start(host, &peers);
        mesh.run(SECOND / 5);
        if host % 100 == 99 {
            show(&mut mesh, began);
        }
    }
    for _ in 0..seconds / 10 {
        let done = mesh.run_until(10 * SECOND, Mesh::agrees);
        show(&mut mesh, began);
        if done.is_some() {
            break;
        }
    }
    for death in 0..argument(4, 0) as usize {
        mesh.kill(count / 2 + death);
        let knowing = |mesh: &Mesh| {
            let running = mesh.running();
            running.iter().filter(|host| mesh.node(**host).alive().len() == running.len()).count()
        };
        let all = count - death - 1;
        let mut took = [0, 1, all / 2, all].map(|enough| (enough, Duration::ZERO));
        for at in 1..took.len() {
            let more = mesh.run_until(120 * SECOND, |mesh| knowing(mesh) >= took[at].0).unwrap_or_default();
            took[at].1 = took[at - 1].1 + more;
        }
        let times: Vec<String> =
            took[1..].iter().map(|(n, after)| format!("{n} after {:.2} s", after.as_secs_f64())).collect();
        println!("a death is known to {}", times.join(", "));
    }
}
