//! libbpf behind functions that own what they return.

use std::ffi::{CStr, c_int, c_void};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};

use libxdp_sys as bpf;
use nix::errno::Errno;

use super::super::XdpMode;
use super::SteerCounts;

/// The compiled program, aligned as the ELF structures in it want.
#[repr(C, align(8))]
struct Aligned<B: ?Sized>(B);

static STEER: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/steer.o")));

const PROGRAMS: [&CStr; 2] = [c"sluice_inside", c"sluice_outside"];

/// `XDP_FLAGS_SKB_MODE` and `XDP_FLAGS_DRV_MODE` of `linux/if_link.h`.
const GENERIC: u32 = 1 << 1;
const NATIVE: u32 = 1 << 2;

// Not among libxdp-sys's bindings, which take `libbpf_*` constants only; in the library it links.
unsafe extern "C" {
    fn libbpf_set_print(print: Option<unsafe extern "C" fn()>) -> Option<unsafe extern "C" fn()>;
    fn libbpf_num_possible_cpus() -> c_int;
}

/// A BPF object in the kernel, with one of the programs loaded. Maps and program outlive it by
/// the descriptors taken from it.
pub(super) struct Object {
    object: NonNull<bpf::bpf_object>,
    program: NonNull<bpf::bpf_program>,
}

impl Object {
    /// Loads the program of this name and all maps.
    pub(super) fn load(name: &CStr) -> io::Result<Self> {
        // What libbpf would print on stderr is in the errors we return.
        // SAFETY: no print function is a value this takes; a global of libbpf, set atomically.
        unsafe { libbpf_set_print(None) };
        let options = bpf::bpf_object_open_opts {
            sz: size_of::<bpf::bpf_object_open_opts>(),
            object_name: c"sluice_steer".as_ptr(),
            // SAFETY: a C structure of integers and pointers, for which all zero means "not given".
            ..unsafe { std::mem::zeroed() }
        };
        let image = &STEER.0;
        // SAFETY: pointer and length are those of one static; the options live over the call.
        let object = unsafe {
            bpf::bpf_object__open_mem(image.as_ptr().cast(), image.len(), &raw const options)
        };
        let object = NonNull::new(object).ok_or_else(io::Error::last_os_error)?;
        let mut this = Self { object, program: NonNull::dangling() };
        for other in PROGRAMS {
            let program = this.find_program(other)?;
            if other == name {
                this.program = program;
            } else {
                // SAFETY: a program of an object that is open and not loaded yet.
                check(unsafe { bpf::bpf_program__set_autoload(program.as_ptr(), false) })?;
            }
        }
        // SAFETY: an open object, loaded once.
        check(unsafe { bpf::bpf_object__load(this.object.as_ptr()) })?;
        Ok(this)
    }

    fn find_program(&self, name: &CStr) -> io::Result<NonNull<bpf::bpf_program>> {
        // SAFETY: an open object and a C string.
        let program =
            unsafe { bpf::bpf_object__find_program_by_name(self.object.as_ptr(), name.as_ptr()) };
        NonNull::new(program).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The loaded program.
    pub(super) fn program(&self) -> io::Result<OwnedFd> {
        // SAFETY: the program belongs to the open object; `load` found it.
        duplicate(unsafe { bpf::bpf_program__fd(self.program.as_ptr()) })
    }

    /// A map by name, whose keys and values must be of these sizes.
    pub(super) fn map<const K: usize, const V: usize>(&self, name: &CStr) -> io::Result<Map<K, V>> {
        // SAFETY: an open object and a C string.
        let map = unsafe { bpf::bpf_object__find_map_by_name(self.object.as_ptr(), name.as_ptr()) };
        let map = NonNull::new(map).ok_or(io::ErrorKind::NotFound)?;
        // SAFETY: a map of the open object.
        let key_size = unsafe { bpf::bpf_map__key_size(map.as_ptr()) };
        // SAFETY: the same.
        let value_size = unsafe { bpf::bpf_map__value_size(map.as_ptr()) };
        if (u32::try_from(K), u32::try_from(V)) != (Ok(key_size), Ok(value_size)) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // SAFETY: the same; `load` gave it a descriptor.
        let fd = duplicate(unsafe { bpf::bpf_map__fd(map.as_ptr()) })?;
        Ok(Map { fd })
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: open, and closed nowhere else.
        unsafe { bpf::bpf_object__close(self.object.as_ptr()) };
    }
}

/// libbpf's way to fail: a negative errno.
fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(result) }
}

/// A descriptor of our own beside one that libbpf closes with its object.
fn duplicate(fd: c_int) -> io::Result<OwnedFd> {
    let fd = check(fd)?;
    // SAFETY: libbpf keeps it open as long as the object, which the caller still holds.
    unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned()
}

/// Attaches a program to a device by a link that its descriptor holds.
pub(super) fn attach(program: &OwnedFd, index: u32, mode: XdpMode) -> io::Result<OwnedFd> {
    let options = bpf::bpf_link_create_opts {
        sz: size_of::<bpf::bpf_link_create_opts>(),
        flags: match mode {
            XdpMode::Native => NATIVE,
            XdpMode::Generic => GENERIC,
        },
        // SAFETY: a C structure of integers and pointers, for which all zero means "not given".
        ..unsafe { std::mem::zeroed() }
    };
    let index = c_int::try_from(index).map_err(|_| Errno::ENODEV)?;
    // SAFETY: descriptors and a device index by value; the options live over the call.
    let link = check(unsafe {
        bpf::bpf_link_create(
            program.as_raw_fd(),
            index,
            bpf::bpf_attach_type_BPF_XDP,
            &raw const options,
        )
    })?;
    // SAFETY: just made by the kernel for us.
    Ok(unsafe { OwnedFd::from_raw_fd(link) })
}

/// Detaches a link from its device, whoever else has a copy of its descriptor.
pub(super) fn detach(link: &OwnedFd) -> io::Result<()> {
    // SAFETY: a descriptor by value.
    check(unsafe { bpf::bpf_link_detach(link.as_raw_fd()) }).map(drop)
}

/// The id of the XDP program on a device, 0 when there is none or the kernel does not tell.
pub(super) fn attached_program(index: u32) -> u32 {
    let mut program = 0;
    let Ok(index) = c_int::try_from(index) else { return 0 };
    // SAFETY: writes one integer, which lives over the call.
    let result = unsafe { bpf::bpf_xdp_query_id(index, 0, &raw mut program) };
    check(result).map_or(0, |_| program)
}

/// A map with keys of `K` bytes and values of `V`; only [`Object::map`], which checks that, makes one.
#[derive(Debug)]
pub(super) struct Map<const K: usize, const V: usize> {
    fd: OwnedFd,
}

impl<const K: usize, const V: usize> Map<K, V> {
    /// Sets one entry.
    pub(super) fn update(&self, key: &[u8; K], value: &[u8; V]) -> io::Result<()> {
        let (key, value): (*const c_void, *const c_void) =
            (ptr::from_ref(key).cast(), ptr::from_ref(value).cast());
        // SAFETY: the kernel reads key and value by the map's sizes, which are those of the arrays.
        check(unsafe { bpf::bpf_map_update_elem(self.fd.as_raw_fd(), key, value, 0) }).map(drop)
    }
}

/// The map of counters: by queue, for each CPU.
#[derive(Debug)]
pub(super) struct CountMap {
    map: Map<4, { size_of::<SteerCounts>() }>,
    cpus: usize,
}

impl CountMap {
    pub(super) fn new(object: &Object, name: &CStr) -> io::Result<Self> {
        // SAFETY: takes nothing, reads a file once and remembers the answer atomically.
        let cpus = check(unsafe { libbpf_num_possible_cpus() })?;
        let cpus = usize::try_from(cpus).map_err(io::Error::other)?;
        Ok(Self { map: object.map(name)?, cpus })
    }

    /// The counters of a queue, one value for each CPU the kernel may ever have.
    pub(super) fn of_queue(&self, queue: u32) -> io::Result<Vec<SteerCounts>> {
        let mut values = vec![SteerCounts::default(); self.cpus];
        let key: *const c_void = ptr::from_ref(&queue).cast();
        let into: *mut c_void = values.as_mut_ptr().cast();
        // SAFETY: the kernel reads a 4-byte key and writes, for each possible CPU, one value of
        // `SteerCounts`'s size, which is a multiple of 8; the vector has that many, all of integers.
        check(unsafe { bpf::bpf_map_lookup_elem(self.map.fd.as_raw_fd(), key, into) })?;
        Ok(values)
    }
}
