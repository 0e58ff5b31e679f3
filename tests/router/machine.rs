//! One router in a box: the emulator as a child, its flash in a file, and an agent in the guest that runs commands.
//!
//! The flash is a part of the emulated memory, mapped from a file. What the guest has written there is in the file at
//! once, so ending the emulator with SIGKILL is a cut of the power: nothing is lost that a flash chip would have kept,
//! and nothing is kept that was only in memory.

use std::{
    fs::{self, File},
    io::{Seek as _, SeekFrom, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    process::{Child, Command},
    time::{sleep, timeout},
};
use truca_tests::{Result, page::Page};

/// What the guest has as memory, in MiB: a router's 64.
const MEMORY: u64 = 64;
/// The part of the emulated memory that is the flash, in MiB, and where it lies: above the kernel, below the initrd.
const FLASH: u64 = 8;
const FLASH_AT: u64 = 40;
const MIB: u64 = 1 << 20;

/// How long a boot may take on a machine that is busy; an idle one needs some five seconds.
const BOOT: Duration = Duration::from_secs(120);
/// How long a command in the guest may take.
const COMMAND: Duration = Duration::from_secs(60);
/// Between two tries to reach what is still booting.
const AGAIN: Duration = Duration::from_millis(100);

/// A box, running or not.
pub(crate) struct Machine {
    /// Its name, which is its host name too.
    pub(crate) name: &'static str,
    /// Its address on the test's bridge.
    pub(crate) ip: Ipv4Addr,
    image: PathBuf,
    folder: PathBuf,
    running: Option<Running>,
}

struct Running {
    emulator: Child,
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    commands: u32,
}

impl Machine {
    /// A box with an empty flash, whose network is the tap interface `NAME`; its files are in `folder`.
    pub(crate) fn new(name: &'static str, ip: Ipv4Addr, image: &Path, folder: &Path) -> Result<Self> {
        let folder = folder.join(name);
        fs::create_dir_all(&folder)?;
        let mut memory = File::create(folder.join("memory"))?;
        memory.set_len((MEMORY + FLASH) * MIB)?;
        memory.seek(SeekFrom::Start(FLASH_AT * MIB))?;
        // a flash chip that was erased
        for _ in 0..FLASH {
            memory.write_all(&[0xff; MIB as usize])?;
        }
        Ok(Self { name, ip, image: image.into(), folder, running: None })
    }

    /// Where its page and links are, with the package's configuration.
    pub(crate) fn page(&self) -> SocketAddr {
        (self.ip, 8443).into()
    }

    /// Where STUN answers.
    pub(crate) fn stun(&self) -> SocketAddr {
        (self.ip, 3478).into()
    }

    /// Switches the power on and waits for the system's agent.
    pub(crate) async fn power_on(&mut self) -> Result {
        let mut emulator = self.launch()?;
        let started = Instant::now();
        let stream = loop {
            if let Ok(stream) = UnixStream::connect(self.folder.join("agent")).await {
                break stream;
            }
            if let Some(status) = emulator.try_wait()? {
                return Err(format!("the emulator ended: {status}\n{}", self.console()).into());
            }
            if started.elapsed() > BOOT {
                return Err("the emulator has no agent's line".into());
            }
            sleep(AGAIN).await;
        };
        let (reader, writer) = stream.into_split();
        let mut running = Running { emulator, reader: BufReader::new(reader), writer, commands: 0 };
        let up = timeout(BOOT, running.until("# up")).await;
        self.running = Some(running);
        up.map_err(|_| format!("{} has not booted in {BOOT:?}\n{}", self.name, self.console()))??;
        Ok(())
    }

    /// Switches the power on and, whatever the system is doing then, off again after this time.
    pub(crate) async fn power_on_for(&mut self, time: Duration) -> Result {
        let mut emulator = self.launch()?;
        sleep(time).await;
        emulator.kill().await?;
        Ok(())
    }

    /// Cuts the power: SIGKILL, to the emulator's pid.
    pub(crate) async fn power_cut(&mut self) -> Result {
        if let Some(mut running) = self.running.take() {
            running.emulator.kill().await?;
        }
        Ok(())
    }

    /// Switches the power on and leaves the console to whoever sits here, until the emulator ends.
    pub(crate) async fn by_hand(&self) -> Result {
        let mut command = self.command("mon:stdio");
        command.spawn()?.wait().await?;
        Ok(())
    }

    fn launch(&self) -> Result<Child> {
        let mut command = self.command(&format!("file:{}", self.folder.join("console").display()));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.spawn().map_err(|error| format!("qemu-system-mipsel: {error}").into())
    }

    /// The emulator, with its console there.
    fn command(&self, console: &str) -> Command {
        // a socket of the last run would be taken for this one's
        let _ = fs::remove_file(self.folder.join("agent"));
        let all = MEMORY + FLASH;
        let file = |name: &str| self.folder.join(name).display().to_string();
        let image = |name: &str| self.image.join(name).display().to_string();
        let number = self.ip.octets()[3];
        let append = format!(
            "console=ttyS0 quiet nokaslr memmap={FLASH}M${FLASH_AT}M box.flash=flash,{FLASH_AT}Mi,{FLASH}Mi,64ki \
             box.name={} box.address={}/16 box.install=1",
            self.name, self.ip
        );
        let mut command = Command::new("qemu-system-mipsel");
        command
            .args(["-M", "malta,memory-backend=memory", "-cpu", "24Kc", "-m", &all.to_string()])
            .arg("-object")
            .arg(format!("memory-backend-file,id=memory,size={all}M,mem-path={},share=on", file("memory")))
            .args(["-kernel", &image("kernel"), "-initrd", &image("initrd"), "-append", &append])
            .arg("-drive")
            .arg(format!("if=none,id=rom,format=raw,readonly=on,file={}", image("rom.squashfs")))
            .args(["-device", "virtio-blk-pci,drive=rom"])
            .arg("-netdev")
            .arg(format!("tap,id=net,ifname={},script=no,downscript=no", self.name))
            .args(["-device", &format!("virtio-net-pci,netdev=net,mac=52:54:00:00:00:{number:02x},romfile=")])
            .args(["-serial", console])
            .args(["-chardev", &format!("socket,id=agent,path={},server=on,wait=off", file("agent"))])
            .args(["-serial", "chardev:agent"])
            // a router that was never on the Internet
            .args(["-rtc", "base=1970-01-01T00:00:00"])
            .args(["-vga", "none", "-display", "none", "-monitor", "none", "-no-reboot"]);
        command.kill_on_drop(true);
        command
    }

    /// Runs a line of shell in the guest: what it prints, or an error when its status is not 0.
    pub(crate) async fn run(&mut self, command: &str) -> Result<String> {
        let Some(running) = &mut self.running else { return Err(format!("{} is off", self.name).into()) };
        running.commands += 1;
        let number = running.commands;
        running.writer.write_all(format!("{number} {command}\n").as_bytes()).await?;
        let (text, end) = timeout(COMMAND, running.until(&format!("# {number} ")))
            .await
            .map_err(|_| format!("{}: `{command}` runs longer than {COMMAND:?}", self.name))??;
        if end != "0" {
            return Err(format!("{}: `{command}`: status {end}: {}", self.name, text.trim()).into());
        }
        Ok(text)
    }

    /// Opens a page at its node, as soon as there is one.
    pub(crate) async fn first_page(&self) -> Result<Page> {
        let started = Instant::now();
        loop {
            match Page::open(self.page()).await {
                Ok(page) => return Ok(page),
                Err(error) if started.elapsed() > BOOT => {
                    return Err(format!("{} serves no page: {error}\n{}", self.name, self.console()).into());
                }
                Err(_) => sleep(AGAIN).await,
            }
        }
    }

    /// The daemon's process, and its resident memory in KiB.
    pub(crate) async fn daemon(&mut self) -> Result<(u32, f64)> {
        let text = self
            .run("pid=$(pidof trucad) && echo $pid && sed -n 's/^VmRSS:[^0-9]*//p' /proc/$pid/status")
            .await?;
        let mut words = text.split_whitespace();
        let (Some(pid), Some(kib)) = (words.next(), words.next()) else {
            return Err(format!("no pid and no memory: {text}").into());
        };
        Ok((pid.parse()?, kib.parse()?))
    }

    /// The last lines of its console.
    pub(crate) fn console(&self) -> String {
        let bytes = fs::read(self.folder.join("console")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Running {
    /// Reads until a line that begins so: the lines before it, and the rest of that line.
    async fn until(&mut self, begin: &str) -> Result<(String, String)> {
        let mut before = String::new();
        loop {
            let mut line = Vec::new();
            if self.reader.read_until(b'\n', &mut line).await? == 0 {
                return Err("the emulator has ended".into());
            }
            let line = String::from_utf8_lossy(&line).replace('\r', "");
            if let Some(rest) = line.strip_prefix(begin) {
                return Ok((before, rest.trim_end().into()));
            }
            before.push_str(&line);
        }
    }
}
