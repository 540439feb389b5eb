//! Writes the small shared library with which a waiting Java process changes its directory and its environment.
//!
//! Java has no call for either, and this machine may have no C compiler. The library is four functions of two to
//! four instructions that pass their arguments on to the C library, so its bytes are put together here: an ELF
//! file (System V ABI, chapters 4 and 5) with one segment of code and one of pointers that the loader fills in.

/// A function as Java names it, what it does before it jumps, and where it jumps to.
struct Function {
    name: &'static str,
    x86_64: &'static [u8],
    aarch64: &'static [u32],
    /// `None`: the code ends in a jump of its own.
    target: Option<&'static str>,
}

/// Java passes its environment and the class first; the arguments move to their places in front of them.
const FUNCTIONS: &[Function] = &[
    Function {
        name: "Java_tindra_Native_address",
        // mov rsi, rdx; mov rax, [rdi]; jmp [rax + 1840]: GetDirectBufferAddress is entry 230 of JNI's table.
        x86_64: &[0x48, 0x89, 0xd6, 0x48, 0x8b, 0x07, 0xff, 0xa0, 0x30, 0x07, 0x00, 0x00],
        // mov x1, x2; ldr x16, [x0]; ldr x16, [x16, #1840]; br x16
        aarch64: &[0xaa02_03e1, 0xf940_0010, 0xf943_9a10, 0xd61f_0200],
        target: None,
    },
    // mov rdi, rdx / mov x0, x2
    Function {
        name: "Java_tindra_Native_putenv",
        x86_64: &[0x48, 0x89, 0xd7],
        aarch64: &[0xaa02_03e0],
        target: Some("putenv"),
    },
    Function { name: "Java_tindra_Native_clearenv", x86_64: &[], aarch64: &[], target: Some("clearenv") },
    Function {
        name: "Java_tindra_Native_chdir",
        x86_64: &[0x48, 0x89, 0xd7],
        aarch64: &[0xaa02_03e0],
        target: Some("chdir"),
    },
];

/// What differs between the machines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Machine {
    X86_64,
    Aarch64,
}

impl Machine {
    pub(super) fn host() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 }
    }

    /// `e_machine`.
    fn number(self) -> u16 {
        match self {
            Self::X86_64 => 62,
            Self::Aarch64 => 183,
        }
    }

    /// The relocation that puts a symbol's address into a slot (`GLOB_DAT`).
    fn relocation(self) -> u64 {
        match self {
            Self::X86_64 => 6,
            Self::Aarch64 => 1025,
        }
    }

    /// The code of a function that begins at `address`, with its pointer at `slot`.
    fn code(self, function: &Function, address: u64, slot: u64) -> Vec<u8> {
        let mut code: Vec<u8> = match self {
            Self::X86_64 => function.x86_64.to_vec(),
            Self::Aarch64 => function.aarch64.iter().flat_map(|word| word.to_le_bytes()).collect(),
        };
        if function.target.is_none() {
            return code;
        }
        let distance = slot - address - code.len() as u64;
        match self {
            // jmp [rip + distance], counted from the end of the instruction.
            Self::X86_64 => {
                code.extend([0xff, 0x25]);
                code.extend(&(distance - 6).to_le_bytes()[..4]);
            }
            // ldr x16, distance; br x16
            Self::Aarch64 => {
                let load = 0x5800_0010_u64 | (distance / 4) << 5;
                code.extend(&load.to_le_bytes()[..4]);
                code.extend(0xd61f_0200_u32.to_le_bytes());
            }
        }
        code
    }
}

const HEADER_BYTES: u64 = 64;
const SEGMENT_BYTES: u64 = 56;
const SEGMENTS: u64 = 4;
const SYMBOL_BYTES: u64 = 24;
const RELOCATION_BYTES: u64 = 24;
/// Of a symbol: global, a function.
const FUNCTION: u8 = 0x12;
/// Code of one function, padded.
const CODE_BYTES: u64 = 32;
/// The largest page that either machine has; the second segment lies one further in memory than in the file.
const PAGE_BYTES: u64 = 0x1_0000;

/// Where everything lies in the file; in memory, what comes after the code is one page further.
struct Layout {
    targets: Vec<&'static str>,
    symbol_count: u64,
    symbols: u64,
    relocations: u64,
    hash: u64,
    code: u64,
    strings: u64,
    /// The texts and where each begins: those of the targets, then those of the functions.
    text: Vec<u8>,
    names: Vec<u32>,
    slots: u64,
    dynamic: u64,
}

impl Layout {
    fn new() -> Self {
        let targets: Vec<&str> = FUNCTIONS.iter().filter_map(|function| function.target).collect();
        let symbol_count = (1 + targets.len() + FUNCTIONS.len()) as u64;
        let symbols = HEADER_BYTES + SEGMENTS * SEGMENT_BYTES;
        let relocations = symbols + symbol_count * SYMBOL_BYTES;
        let hash = relocations + targets.len() as u64 * RELOCATION_BYTES;
        let code = (hash + 4 * (3 + symbol_count)).next_multiple_of(CODE_BYTES);
        let strings = code + FUNCTIONS.len() as u64 * CODE_BYTES;
        let (text, names) = string_table(targets.iter().copied().chain(FUNCTIONS.iter().map(|function| function.name)));
        let slots = (strings + text.len() as u64).next_multiple_of(16);
        let dynamic = slots + 8 * targets.len() as u64;
        Self { targets, symbol_count, symbols, relocations, hash, code, strings, text, names, slots, dynamic }
    }

    /// Where the pointer to a target lies in memory.
    fn slot(&self, index: usize) -> u64 {
        self.slots + PAGE_BYTES + 8 * index as u64
    }

    fn code_of(&self, index: usize) -> u64 {
        self.code + index as u64 * CODE_BYTES
    }

    /// The dynamic section: `DT_HASH`, `DT_STRTAB`, `DT_SYMTAB`, `DT_STRSZ`, `DT_SYMENT`, `DT_RELA` with its sizes.
    fn entries(&self) -> [(u64, u64); 9] {
        [
            (4, self.hash),
            (5, self.strings),
            (6, self.symbols),
            (10, self.text.len() as u64),
            (11, SYMBOL_BYTES),
            (7, self.relocations),
            (8, self.targets.len() as u64 * RELOCATION_BYTES),
            (9, RELOCATION_BYTES),
            (0, 0),
        ]
    }
}

/// The library's bytes.
pub(super) fn library(machine: Machine) -> Vec<u8> {
    let layout = Layout::new();
    let mut file = header(machine);
    segments(&mut file, &layout);
    symbols(&mut file, &layout);
    for index in 0..layout.targets.len() {
        put(&mut file, &[layout.slot(index), (index as u64 + 1) << 32 | machine.relocation(), 0]);
    }
    // A hash table of one bucket, whose chain holds every symbol.
    let count = layout.symbol_count as u32;
    file.extend([1, count, 1, 0].into_iter().chain(2..count).chain([0]).flat_map(u32::to_le_bytes));
    file.resize(layout.code as usize, 0);
    code(&mut file, &layout, machine);
    file.extend(&layout.text);
    file.resize(layout.dynamic as usize, 0);
    layout.entries().iter().for_each(|&(tag, value)| put(&mut file, &[tag, value]));
    file
}

/// Code, pointers, the dynamic section, and `PT_GNU_STACK` without execution: a library that lacks it makes every
/// stack executable.
fn segments(file: &mut Vec<u8>, layout: &Layout) {
    let end = layout.dynamic + 16 * layout.entries().len() as u64;
    let further = |at: u64| (at, at + PAGE_BYTES);
    segment(file, 1, 5, (0, 0), layout.strings + layout.text.len() as u64, PAGE_BYTES);
    segment(file, 1, 6, further(layout.slots), end - layout.slots, PAGE_BYTES);
    segment(file, 2, 6, further(layout.dynamic), end - layout.dynamic, 8);
    segment(file, 0x6474_e551, 6, (0, 0), 0, 16);
}

/// The empty one, those that we need, those that we are. There are no sections; any number but 0 means "defined".
fn symbols(file: &mut Vec<u8>, layout: &Layout) {
    let (needed, own) = layout.names.split_at(layout.targets.len());
    symbol(file, 0, 0, 0, 0);
    needed.iter().for_each(|&name| symbol(file, name, FUNCTION, 0, 0));
    own.iter().enumerate().for_each(|(index, &name)| symbol(file, name, FUNCTION, 1, layout.code_of(index)));
}

fn code(file: &mut Vec<u8>, layout: &Layout, machine: Machine) {
    let mut target = 0;
    for (index, function) in FUNCTIONS.iter().enumerate() {
        file.extend(machine.code(function, layout.code_of(index), layout.slot(target)));
        file.resize(layout.code_of(index + 1) as usize, 0);
        target += usize::from(function.target.is_some());
    }
}

fn header(machine: Machine) -> Vec<u8> {
    let mut header = b"\x7fELF\x02\x01\x01".to_vec();
    header.resize(16, 0);
    header.extend(3_u16.to_le_bytes()); // ET_DYN
    header.extend(machine.number().to_le_bytes());
    header.extend(1_u32.to_le_bytes());
    put(&mut header, &[0, HEADER_BYTES, 0]);
    header.extend(0_u32.to_le_bytes());
    for number in [HEADER_BYTES, SEGMENT_BYTES, SEGMENTS, 64, 0, 0] {
        header.extend(&number.to_le_bytes()[..2]);
    }
    header
}

fn segment(file: &mut Vec<u8>, kind: u32, flags: u32, (offset, address): (u64, u64), size: u64, align: u64) {
    file.extend(kind.to_le_bytes());
    file.extend(flags.to_le_bytes());
    put(file, &[offset, address, address, size, size, align]);
}

fn symbol(file: &mut Vec<u8>, name: u32, info: u8, section: u16, value: u64) {
    file.extend(name.to_le_bytes());
    file.extend([info, 0]);
    file.extend(section.to_le_bytes());
    put(file, &[value, if section == 0 { 0 } else { CODE_BYTES }]);
}

fn put(file: &mut Vec<u8>, numbers: &[u64]) {
    file.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

/// The texts, each ended by a NUL, and where each begins.
fn string_table<'a>(texts: impl Iterator<Item = &'a str>) -> (Vec<u8>, Vec<u32>) {
    let mut table = vec![0];
    let mut starts = Vec::new();
    for text in texts {
        starts.push(table.len() as u32);
        table.extend(text.as_bytes());
        table.push(0);
    }
    (table, starts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_libraries_are_elf_files_that_the_loader_can_follow() {
        for machine in [Machine::X86_64, Machine::Aarch64] {
            let bytes = library(machine);
            assert_eq!(u16::from_le_bytes([bytes[18], bytes[19]]), machine.number());
            let path = std::env::temp_dir().join(format!("tindra-native-{}-{}", machine.number(), std::process::id()));
            std::fs::write(&path, &bytes).expect("written");
            let needs = super::super::elf::read(&path).expect("an ELF file with a dynamic section");
            assert!(needs.libraries.is_empty() && needs.interpreter.is_none(), "{needs:?}");
            std::fs::remove_file(path).expect("there");
        }
    }

    #[test]
    fn a_jump_reads_its_slot() {
        let function = &FUNCTIONS[1];
        let code = Machine::X86_64.code(function, 0x200, 0x1_0300);
        // The instruction ends at 0x209: 0x10300 - 0x209 = 0x100f7.
        assert_eq!(code, [0x48, 0x89, 0xd7, 0xff, 0x25, 0xf7, 0x00, 0x01, 0x00]);
        let code = Machine::Aarch64.code(function, 0x200, 0x1_0300);
        // ldr at 0x204 of 0x10300: (0x10300 - 0x204) / 4 = 0x403f.
        assert_eq!(code[4..8], (0x5800_0010_u32 | 0x403f << 5).to_le_bytes());
    }
}
