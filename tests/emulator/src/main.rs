//! `azure-emulator`: the emulator for other processes and virtual machines.
//!
//! Subcommands are thin: `serve` runs the library, `wrap` and `ca` prepare machine images,
//! `connect` is the pipe QEMU needs to reach the listeners, `check` proves a scenario.

mod pipe;

use std::{
    error::Error,
    ffi::OsString,
    io::{self, Read, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use azure_emulator::{Emulator, Options, Scenario, scenario::Algorithm};

const USAGE: &str = "\
usage: azure-emulator serve --scenario FILE --imds ADDRESS --vault ADDRESS
                            [--state FOLDER] [--log FILE] [--control ADDRESS]
       azure-emulator wrap --scenario FILE --key URL [--state FOLDER]
                           [--algorithm NAME] < PLAIN > WRAPPED
       azure-emulator ca --state FOLDER
       azure-emulator check --scenario FILE [--state FOLDER]
       azure-emulator connect HOST:PORT
";

#[derive(Default)]
struct Arguments {
    algorithm: Algorithm,
    control: Option<SocketAddr>,
    imds: Option<SocketAddr>,
    key: Option<String>,
    log: Option<PathBuf>,
    operands: Vec<String>,
    scenario: Option<PathBuf>,
    state: Option<PathBuf>,
    vault: Option<SocketAddr>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed stderr must not turn a failure into another one.
            let _ = writeln!(io::stderr(), "azure-emulator: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = Arguments::parse(lexopt::Parser::from_env())?;
    let operands = std::mem::take(&mut arguments.operands);
    let operands: Vec<&str> = operands.iter().map(String::as_str).collect();
    match operands.as_slice() {
        ["serve"] => serve(arguments),
        ["wrap"] => wrap(&arguments),
        ["ca"] => {
            let state = arguments.state.ok_or("ca: --state is needed")?;
            Ok(io::stdout().write_all(azure_emulator::ca_pem(&state)?.as_bytes())?)
        }
        ["check"] => Ok(arguments.scenario()?.check(arguments.state.as_deref())?),
        ["connect", address] => Ok(pipe::run(address)?),
        _ => Err(USAGE.into()),
    }
}

fn serve(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let scenario = arguments.scenario()?;
    let options = Options {
        control: arguments.control,
        imds: arguments.imds.ok_or("serve: --imds is needed")?,
        log: arguments.log,
        state: arguments.state,
        vault: arguments.vault.ok_or("serve: --vault is needed")?,
    };
    let emulator = Emulator::start(scenario, options)?;
    let mut line = format!("ready imds={}", emulator.imds_address());
    line += &format!(" vault={}", emulator.vault_address());
    if let Some(control) = emulator.control_address() {
        line += &format!(" control={control}");
    }
    writeln!(io::stdout(), "{line}")?;
    // Until a signal ends the process, which needs no handling: every log line is flushed.
    loop {
        std::thread::park();
    }
}

fn wrap(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let scenario = arguments.scenario()?;
    let key = arguments.key.as_deref().ok_or("wrap: --key is needed")?;
    let mut plain = Vec::new();
    io::stdin().read_to_end(&mut plain)?;
    let state = arguments.state.as_deref();
    let wrapped = azure_emulator::wrap(&scenario, state, key, arguments.algorithm, &plain)?;
    Ok(io::stdout().write_all(wrapped.as_bytes())?)
}

impl Arguments {
    fn parse(mut parser: lexopt::Parser) -> Result<Self, Box<dyn Error>> {
        use lexopt::{Arg, ValueExt};
        let mut arguments = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("algorithm") => {
                    let name = parser.value()?.string()?;
                    arguments.algorithm = Algorithm::from_name(&name)
                        .ok_or("--algorithm: RSA-OAEP, RSA-OAEP-256 or RSA1_5")?;
                }
                Arg::Long("control") => arguments.control = Some(parser.value()?.parse()?),
                Arg::Long("imds") => arguments.imds = Some(parser.value()?.parse()?),
                Arg::Long("key") => arguments.key = Some(parser.value()?.string()?),
                Arg::Long("log") => arguments.log = Some(path(parser.value()?)),
                Arg::Long("scenario") => arguments.scenario = Some(path(parser.value()?)),
                Arg::Long("state") => arguments.state = Some(path(parser.value()?)),
                Arg::Long("vault") => arguments.vault = Some(parser.value()?.parse()?),
                Arg::Value(operand) => arguments.operands.push(operand.string()?),
                Arg::Short(_) | Arg::Long(_) => return Err(argument.unexpected().into()),
            }
        }
        Ok(arguments)
    }

    fn scenario(&self) -> Result<Scenario, Box<dyn Error>> {
        let file = self.scenario.as_deref().ok_or("--scenario is needed")?;
        Ok(Scenario::from_file(file)?)
    }
}

fn path(value: OsString) -> PathBuf {
    PathBuf::from(value)
}
