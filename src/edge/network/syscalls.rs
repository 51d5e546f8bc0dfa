//! The system calls of a process that looks names up and speaks TLS; all others fail with EPERM.
//!
//! EPERM and not a kill: a C library that tries a newer call first goes on with an older one. What
//! was counted: glibc's getaddrinfo(3) with its modules, tokio, and the allocator.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule,
};

use crate::error::Kind;

/// Whatever their arguments are.
const ANY: &[libc::c_long] = &[
    // Sockets, of the kinds below.
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    // What is open already, and waiting for it.
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    // Files by their names; opening them is below.
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fstatfs,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_newfstatat,
    libc::SYS_readlinkat,
    libc::SYS_statfs,
    libc::SYS_statx,
    // Memory.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // Threads.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_gettid,
    libc::SYS_membarrier,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    // Time, chance, and who one is.
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getrandom,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_nanosleep,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    // The older spellings, which newer architectures never had.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
];

/// Key Vault and IMDS, the resolver and the journal, and what getaddrinfo(3) asks the kernel.
const FAMILIES: [libc::c_int; 4] = [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK, libc::AF_UNIX];

/// Installs the filter for the calling thread and those it makes.
///
/// Errors: `Internal`. A kernel without seccomp is none: there is nothing to install then.
pub fn allow_only_needed() -> Result<(), Kind> {
    let failed = |reason: String| Kind::Internal { call: "seccomp", reason };
    let allowed = allowed().map_err(|error| failed(error.to_string()))?;
    let absent = absent().map_err(|error| failed(error.to_string()))?;
    // What one allows, the other may still refuse. The list comes last: it has no seccomp(2) in it.
    for program in [absent, allowed] {
        match seccompiler::apply_filter(&program) {
            Ok(()) => {}
            Err(seccompiler::Error::Seccomp(error))
                if error.raw_os_error() == Some(libc::EINVAL) =>
            {
                log::debug!("this kernel has no seccomp filters");
                return Ok(());
            }
            Err(error) => return Err(failed(error.to_string())),
        }
    }
    Ok(())
}

fn allowed() -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ANY.iter().map(|call| (*call, Vec::new())).collect();
    let write_and_run = word(libc::PROT_WRITE | libc::PROT_EXEC);
    let memory = [0, libc::PROT_WRITE, libc::PROT_EXEC]
        .map(|prot| argument(2, SeccompCmpOp::MaskedEq(write_and_run), word(prot)));
    let memory = memory.into_iter().collect::<Result<Vec<_>, _>>()?;
    rules.insert(libc::SYS_mmap, memory.clone());
    rules.insert(libc::SYS_mprotect, memory);
    // A process of its own is no thread, and has no business here. clone3(2) hides its flags from a
    // filter: see absent().
    let thread =
        argument(0, SeccompCmpOp::MaskedEq(word(libc::CLONE_THREAD)), word(libc::CLONE_THREAD))?;
    rules.insert(libc::SYS_clone, vec![thread]);
    rules.insert(libc::SYS_clone3, Vec::new());
    // To read.
    let writes = word(libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC);
    rules.insert(libc::SYS_openat, vec![argument(2, SeccompCmpOp::MaskedEq(writes), 0)?]);
    let families = FAMILIES.map(|family| argument(0, SeccompCmpOp::Eq, word(family)));
    rules.insert(libc::SYS_socket, families.into_iter().collect::<Result<_, _>>()?);
    let requests = [libc::FIONBIO, libc::FIONREAD];
    let requests = requests.map(|request| argument(1, SeccompCmpOp::Eq, request));
    rules.insert(libc::SYS_ioctl, requests.into_iter().collect::<Result<_, _>>()?);
    // Threads have names; the other things prctl(2) does are done.
    let name = argument(0, SeccompCmpOp::Eq, word(libc::PR_SET_NAME))?;
    rules.insert(libc::SYS_prctl, vec![name]);
    // A new thread asks how large its stack may be, and changes nothing.
    rules.insert(libc::SYS_prlimit64, vec![argument(2, SeccompCmpOp::Eq, 0)?]);
    // abort(3) sends itself a signal.
    let itself = argument(0, SeccompCmpOp::Eq, u64::from(std::process::id()))?;
    rules.insert(libc::SYS_tgkill, vec![itself]);
    compile(rules, SeccompAction::Errno(word32(libc::EPERM)), SeccompAction::Allow)
}

/// glibc asks for clone3(2) first and takes clone(2) only where it hears that there is none.
fn absent() -> Result<BpfProgram, BackendError> {
    let rules = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    compile(rules, SeccompAction::Allow, SeccompAction::Errno(word32(libc::ENOSYS)))
}

fn compile(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    these: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(rules, otherwise, these, std::env::consts::ARCH.try_into()?)?.try_into()
}

fn argument(index: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    let length = SeccompCmpArgLen::Dword;
    SeccompRule::new(vec![SeccompCondition::new(index, length, operator, value)?])
}

/// The constants of C are signed and small.
fn word(constant: libc::c_int) -> u64 {
    u64::from(constant.unsigned_abs())
}

fn word32(constant: libc::c_int) -> u32 {
    constant.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_filters_compile() {
        assert!(!allowed().unwrap().is_empty());
        assert!(!absent().unwrap().is_empty());
    }
}
