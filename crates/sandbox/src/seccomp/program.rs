//! From rules to instructions of the classic packet filter machine.

use std::io;

use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter,
};

/// A condition on the low 32 bits of an argument; the kernel takes no more of any argument checked here.
#[derive(Clone, Copy, Debug)]
pub(super) enum Check {
    /// The argument, after masking, is one of these.
    OneOf { argument: u32, mask: u32, values: &'static [u32] },
    /// The argument is none of these.
    NoneOf { argument: u32, values: &'static [u32] },
    /// No bit of the mask is set.
    Clear { argument: u32, mask: u32 },
}

/// A call that is allowed under conditions.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) number: libc::c_long,
    /// Allowed if every check of one alternative holds. No alternative: never.
    pub(super) alternatives: &'static [&'static [Check]],
    /// What the caller gets otherwise.
    pub(super) errno: i32,
}

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xC000_00B7;
/// Calls of the x32 interface have this bit; on other architectures no number comes near it.
const X32_BIT: u32 = 0x4000_0000;

const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCHITECTURE: u32 = 4;
const OFFSET_ARGUMENTS: u32 = 16;
const ARGUMENT_BYTES: u32 = 8;
/// The kernel's own limit.
const INSTRUCTIONS_MAX: usize = 4096;
/// Stands for "go to the next alternative" until the distance is known.
const NEXT: u8 = u8::MAX;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;

fn refuse(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno.cast_unsigned()
}

fn instruction(code: u32, k: u32, if_true: u8, if_false: u8) -> sock_filter {
    sock_filter { code: u16::try_from(code).unwrap_or(0), jt: if_true, jf: if_false, k }
}

fn load(offset: u32) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0)
}

fn jump(test: u32, k: u32, if_true: u8, if_false: u8) -> sock_filter {
    instruction(BPF_JMP | test | BPF_K, k, if_true, if_false)
}

fn give(result: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, result, 0, 0)
}

/// The whole program: architecture, conditional calls, allowed calls, the rest.
pub(super) fn compile(rules: &[Rule], allowed: impl Iterator<Item = libc::c_long>) -> io::Result<Vec<sock_filter>> {
    let mut program = vec![
        load(OFFSET_ARCHITECTURE),
        jump(BPF_JEQ, NATIVE, 1, 0),
        give(KILL),
        load(OFFSET_NUMBER),
        jump(BPF_JGE, X32_BIT, 0, 1),
        give(KILL),
    ];
    for rule in rules {
        program.extend(compile_rule(rule)?);
    }
    for (first, last) in runs(allowed)? {
        program.push(jump(BPF_JGE, first, 0, 2));
        program.push(jump(BPF_JGT, last, 1, 0));
        program.push(give(ALLOW));
    }
    program.push(jump(BPF_JGT, super::table::NEWEST_JUDGED, 0, 1));
    program.push(give(refuse(libc::ENOSYS)));
    program.push(give(refuse(libc::EPERM)));
    if program.len() > INSTRUCTIONS_MAX { Err(io::ErrorKind::InvalidInput.into()) } else { Ok(program) }
}

fn call_number(number: libc::c_long) -> io::Result<u32> {
    u32::try_from(number).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// Stretches of neighbouring numbers. The kernel walks the program once per call number when it is installed, so
/// that half the instructions are half the time: 0.3 ms with one comparison per call.
fn runs(allowed: impl Iterator<Item = libc::c_long>) -> io::Result<Vec<(u32, u32)>> {
    let mut numbers = allowed.map(call_number).collect::<io::Result<Vec<u32>>>()?;
    numbers.sort_unstable();
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if number <= *last + 1 => *last = number,
            _ => runs.push((number, number)),
        }
    }
    Ok(runs)
}

fn compile_rule(rule: &Rule) -> io::Result<Vec<sock_filter>> {
    let mut body = Vec::new();
    for alternative in rule.alternatives {
        body.extend(compile_alternative(alternative)?);
    }
    body.push(give(refuse(rule.errno)));
    let past_body = distance(body.len())?;
    let mut compiled = vec![jump(BPF_JEQ, call_number(rule.number)?, 0, past_body)];
    compiled.extend(body);
    Ok(compiled)
}

fn compile_alternative(checks: &[Check]) -> io::Result<Vec<sock_filter>> {
    let mut code = Vec::new();
    for check in checks {
        match *check {
            Check::OneOf { argument, mask, values } => {
                code.push(load(OFFSET_ARGUMENTS + argument * ARGUMENT_BYTES));
                code.push(instruction(BPF_ALU | BPF_AND | BPF_K, mask, 0, 0));
                for (position, value) in values.iter().enumerate() {
                    let left = values.len() - 1 - position;
                    let otherwise = if left == 0 { NEXT } else { 0 };
                    code.push(jump(BPF_JEQ, *value, distance(left)?, otherwise));
                }
            }
            Check::NoneOf { argument, values } => {
                code.push(load(OFFSET_ARGUMENTS + argument * ARGUMENT_BYTES));
                code.extend(values.iter().map(|value| jump(BPF_JEQ, *value, NEXT, 0)));
            }
            Check::Clear { argument, mask } => {
                code.push(load(OFFSET_ARGUMENTS + argument * ARGUMENT_BYTES));
                code.push(jump(BPF_JSET, mask, NEXT, 0));
            }
        }
    }
    code.push(give(ALLOW));
    let length = code.len();
    for (position, instruction) in code.iter_mut().enumerate() {
        let past_end = distance(length - 1 - position)?;
        for target in [&mut instruction.jt, &mut instruction.jf] {
            if *target == NEXT {
                *target = past_end;
            }
        }
    }
    Ok(code)
}

fn distance(instructions: usize) -> io::Result<u8> {
    u8::try_from(instructions)
        .ok()
        .filter(|distance| *distance != NEXT)
        .ok_or_else(|| io::ErrorKind::InvalidInput.into())
}
