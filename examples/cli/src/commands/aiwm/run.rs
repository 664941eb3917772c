//! `agentmesh aiwm run -- COMMAND…`.

use std::{process::ExitStatus, sync::Arc};

use agentmesh_core::services::aiwm::{AiwmEvent, AiwmState, AiwmSupervisor, SupervisorOptions};
use sysinfo::Signal;
use tokio::{net::TcpListener, process::Command};

use super::{failed, health, load, not_enabled, process::Observer};
use crate::{args::AiwmRunArgs, context::Context, error::CliError};

/// What the program must not see: with it, it could connect itself.
const SECRET: &str = "AIWM_AGENT_SECRET";

pub(super) async fn run(args: AiwmRunArgs, context: &Context) -> Result<(), CliError> {
    let mut signals = Signals::catch()?;
    let (environment, controller) = load(&args.aiwm)?;
    if controller.is_none() {
        context.out.note(format_args!("{}: the configuration is local", not_enabled(&args.aiwm)));
    }
    let observer = Arc::new(Observer::new());
    let looking = Arc::clone(&observer);
    let options = SupervisorOptions {
        fail_fast: args.fail_fast,
        metrics: Some(Arc::new(move || looking.metrics())),
        ..SupervisorOptions::new(environment)
    };
    // A signal before the program runs ends the wait for the controller.
    let supervisor = tokio::select! {
        started = AiwmSupervisor::start(controller, options) => started.map_err(failed)?,
        signal = signals.next() => std::process::exit(128 + number(signal)),
    };
    if let Some(error) = supervisor.failure() {
        context.out.note(format_args!(
            "starting with the local configuration, the controller is asked again every five minutes: {error}"
        ));
    }
    if let Some(problem) = &supervisor.config().instruction_problem {
        context.out.note(format_args!("the instruction file is not used: {problem}"));
    }
    let supervisor = Arc::new(supervisor);
    let listening = match args.health_listen {
        None => None,
        Some(addr) => {
            let listener = TcpListener::bind(addr).await;
            let listener =
                listener.map_err(|e| CliError::usage(format!("cannot listen on {addr}: {e}")))?;
            if let Ok(addr) = listener.local_addr() {
                context.out.note(format_args!("health at http://{addr}/health"));
            }
            Some(health::answer(listener, Arc::clone(&supervisor)))
        }
    };
    let (program, arguments) =
        args.command.split_first().ok_or_else(|| CliError::usage("no command"))?;
    let mut events = supervisor.events();
    let mut degraded = supervisor.state() == AiwmState::Degraded;
    let mut command = Command::new(program);
    command.args(arguments).env_remove(SECRET).envs(supervisor.config().variables());
    command.kill_on_drop(true);
    let mut child =
        command.spawn().map_err(|e| CliError::usage(format!("cannot start {program}: {e}")))?;
    if let Some(pid) = child.id() {
        observer.watch(pid);
    }
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            signal = signals.next() => {
                if !(signal == Signal::Interrupt && in_foreground()) {
                    // A program that is gone has ended, which is waited for.
                    let _ = observer.signal(signal);
                }
            }
            Some(event) = events.next() => tell(context, &event, &supervisor, &mut degraded),
        }
    };
    drop(listening);
    supervisor.shutdown().await;
    let status = status.map_err(|e| CliError::failed(format!("{program}: {e}")))?;
    // The program's own code, which none of ours could stand for.
    std::process::exit(code(status))
}

fn tell(context: &Context, event: &AiwmEvent, supervisor: &AiwmSupervisor, degraded: &mut bool) {
    match event {
        AiwmEvent::State(AiwmState::Online) if std::mem::take(degraded) => {
            context.out.note("the controller is there");
        }
        AiwmEvent::State(AiwmState::Degraded) if !std::mem::replace(degraded, true) => {
            let why = supervisor.failure().map(|error| format!(": {error}")).unwrap_or_default();
            context.out.note(format_args!("the controller cannot be used any more{why}"));
        }
        AiwmEvent::ConfigUpdated(_) => {
            context.out.note("the controller has another configuration; restart to use it");
        }
        AiwmEvent::AgentDeleted => {
            context.out.note("the controller does not know this agent any more");
        }
        _ => {}
    }
}

#[cfg(unix)]
fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}

#[cfg(not(unix))]
fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or(1)
}

/// Whether a terminal shows this process. What is typed there, such as Ctrl-C, goes to all processes in the foreground: the
/// program has it already, and a second one would mean "at once" to many.
#[cfg(unix)]
fn in_foreground() -> bool {
    let Ok(terminal) = std::fs::File::open("/dev/tty") else { return false };
    let group = rustix::termios::tcgetpgrp(terminal);
    group.is_ok_and(|group| group == rustix::process::getpgrp())
}

/// Consoles do the same.
#[cfg(not(unix))]
const fn in_foreground() -> bool {
    true
}

/// As shells number them.
const fn number(signal: Signal) -> i32 {
    match signal {
        Signal::Hangup => 1,
        Signal::Interrupt => 2,
        Signal::User1 => 10,
        Signal::User2 => 12,
        _ => 15,
    }
}

/// Signals that are passed on.
struct Signals {
    #[cfg(unix)]
    all: Vec<(Signal, tokio::signal::unix::Signal)>,
}

impl Signals {
    fn catch() -> Result<Self, CliError> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let all = [
                (Signal::Term, SignalKind::terminate()),
                (Signal::Interrupt, SignalKind::interrupt()),
                (Signal::Hangup, SignalKind::hangup()),
                (Signal::User1, SignalKind::user_defined1()),
                (Signal::User2, SignalKind::user_defined2()),
            ];
            let all = all.into_iter().map(|(name, kind)| Ok((name, signal(kind)?)));
            let all = all.collect::<std::io::Result<_>>();
            Ok(Self { all: all.map_err(|e| CliError::failed(format!("signals: {e}")))? })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// The next one. Safe to cancel.
    async fn next(&mut self) -> Signal {
        #[cfg(unix)]
        {
            let all = self.all.iter_mut();
            let all =
                all.map(|(name, signal)| Box::pin(async move { (*name, signal.recv().await) }));
            futures_util::future::select_all(all).await.0.0
        }
        #[cfg(not(unix))]
        {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
            Signal::Interrupt
        }
    }
}
