// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The steering program: decides, for each frame an interface receives, between the gateway's sockets, the
// machine's own network stack and nobody.
//
// It fails closed. The kernel's stack gets only what is listed here; a transit packet never does, because
// the kernel would forward it with no policy and no translation. A queue without a socket drops.
// It reads no flow state and knows no policy: whatever it does not name goes to the gateway's core.
//
// Every frame is counted once as `seen` and once as what became of it, per queue and CPU; veth does not
// count XDP_PASS, so nothing else could make the sum come out.
//
// The types and helpers below are the kernel's stable interface, declared here so that no kernel
// headers are needed to build.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

enum { XDP_DROP = 1, XDP_PASS = 2, XDP_REDIRECT = 4 };
enum { MAP_HASH = 1, MAP_PERCPU_ARRAY = 6, MAP_LPM_TRIE = 11, MAP_XSKMAP = 17 };
enum { MAP_NO_PREALLOC = 1 };

struct xdp_md {
	u32 data;
	u32 data_end;
	u32 data_meta;
	u32 ingress_ifindex;
	u32 rx_queue_index;
	u32 egress_ifindex;
};

static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static long (*redirect_map)(void *map, u64 key, u64 flags) = (void *)51;

#define SECTION(name) __attribute__((section(name), used))
#define NUMBER(name, value) int(*name)[value]
#define TYPE(name, type) type *name
#define INLINE static inline __attribute__((always_inline))

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define be16(value) __builtin_bswap16(value)
#define be32(value) __builtin_bswap32(value)
#else
#define be16(value) (value)
#define be32(value) (value)
#endif

// Queues of one interface at most; the loader knows the same number.
#define QUEUES 64

// What became of a frame. The order is the loader's order of names.
enum action {
	SEEN,
	TO_SOCKET,
	PASS_HOST,
	PASS_ARP,
	PASS_OTHER,
	DROP_L2_SHORT,
	DROP_ARP_MALFORMED,
	DROP_ARP_SPOOF,
	DROP_DHCP_SERVER,
	DROP_NO_SOCKET,
	ACTIONS,
};

struct counts {
	u64 of[ACTIONS];
};

// Per CPU: in generic mode several CPUs may run the program for one queue at a time.
struct {
	NUMBER(type, MAP_PERCPU_ARRAY);
	NUMBER(max_entries, QUEUES);
	TYPE(key, u32);
	TYPE(value, struct counts);
} sluice_counts SECTION(".maps");

struct {
	NUMBER(type, MAP_XSKMAP);
	NUMBER(max_entries, QUEUES);
	TYPE(key, u32);
	TYPE(value, u32);
} sluice_sockets SECTION(".maps");

// Every IPv4 address of this machine, its broadcast addresses among them. Network byte order.
struct {
	NUMBER(type, MAP_HASH);
	NUMBER(max_entries, 4096);
	TYPE(key, u32);
	TYPE(value, u8);
} sluice_local4 SECTION(".maps");

struct prefix4 {
	u32 length;
	u32 address;
};

// The networks behind this interface; only asked on inside interfaces.
struct {
	NUMBER(type, MAP_LPM_TRIE);
	NUMBER(max_entries, 4096);
	NUMBER(map_flags, MAP_NO_PREALLOC);
	TYPE(key, struct prefix4);
	TYPE(value, u8);
} sluice_nets4 SECTION(".maps");

struct ethernet {
	u8 destination[6];
	u8 source[6];
	u16 type;
} __attribute__((packed));

struct arp {
	u16 hardware;
	u16 protocol;
	u8 hardware_length;
	u8 protocol_length;
	u16 operation;
	u8 sender_hardware[6];
	u32 sender;
	u8 target_hardware[6];
	u32 target;
} __attribute__((packed));

struct ipv4 {
	u8 version_ihl;
	u8 tos;
	u16 length;
	u16 id;
	u16 fragment;
	u8 ttl;
	u8 protocol;
	u16 checksum;
	u32 source;
	u32 destination;
} __attribute__((packed));

struct udp_ports {
	u16 source;
	u16 destination;
};

enum side { INSIDE, OUTSIDE };

enum { TYPE_IPV4 = 0x0800, TYPE_ARP = 0x0806, TYPE_SLOW = 0x8809, TYPE_LLDP = 0x88cc };
enum { PROTO_UDP = 17, PROTO_VRRP = 112 };
enum { DHCP_SERVER = 67, DHCP_CLIENT = 68 };
enum { VRRP_GROUP = 0xe0000012 };

INLINE int same_hardware(const u8 *a, const u8 *b)
{
	return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) |
		(a[5] ^ b[5])) == 0;
}

INLINE int is_local(u32 address)
{
	return map_lookup(&sluice_local4, &address) != 0;
}

// RFC 826 with Ethernet and IPv4 in it. On inside interfaces a sender must speak for itself: neighbours
// are what the kernel learns from these frames.
INLINE enum action arp(const struct ethernet *eth, void *end, enum side side)
{
	const struct arp *arp = (const void *)(eth + 1);

	if ((void *)(arp + 1) > end)
		return DROP_ARP_MALFORMED;
	if (arp->hardware != be16(1) || arp->protocol != be16(TYPE_IPV4) ||
	    arp->hardware_length != 6 || arp->protocol_length != 4)
		return DROP_ARP_MALFORMED;
	if (arp->operation != be16(1) && arp->operation != be16(2))
		return DROP_ARP_MALFORMED;
	if (arp->sender_hardware[0] & 1)
		return DROP_ARP_MALFORMED;
	if (side == OUTSIDE)
		return PASS_ARP;

	if (!same_hardware(arp->sender_hardware, eth->source))
		return DROP_ARP_MALFORMED;
	// A probe (RFC 5227 section 1.1) has no sender address yet and teaches nobody anything.
	if (arp->sender == 0 && arp->operation == be16(1))
		return PASS_ARP;
	if (is_local(arp->sender))
		return DROP_ARP_SPOOF;

	struct prefix4 sender = {.length = 32, .address = arp->sender};

	if (!map_lookup(&sluice_nets4, &sender))
		return DROP_ARP_SPOOF;
	return PASS_ARP;
}

INLINE int is_vrrp(const struct ipv4 *ip)
{
	return ip->protocol == PROTO_VRRP && ip->destination == be32(VRRP_GROUP);
}

// Only asked for packets to this machine: UDP between these ports to anyone else is transit.
INLINE enum action dhcp_or_host(const struct ipv4 *ip, void *end, enum side side)
{
	u32 header = (ip->version_ihl & 15) * 4;
	const struct udp_ports *udp = (const void *)ip + header;

	if (ip->protocol != PROTO_UDP || (ip->fragment & be16(0x1fff)) || header < sizeof(*ip))
		return PASS_HOST;
	if ((void *)(udp + 1) > end)
		return PASS_HOST;
	if (udp->destination == be16(DHCP_CLIENT))
		return side == INSIDE ? DROP_DHCP_SERVER : PASS_OTHER;
	if (udp->destination == be16(DHCP_SERVER))
		return PASS_OTHER;
	return PASS_HOST;
}

// A header too short to read goes to the core, which names what is wrong with it.
INLINE enum action ipv4(const struct ethernet *eth, void *end, enum side side)
{
	const struct ipv4 *ip = (const void *)(eth + 1);

	if ((void *)(ip + 1) > end)
		return TO_SOCKET;
	if (is_vrrp(ip))
		return PASS_OTHER;
	if (is_local(ip->destination))
		return dhcp_or_host(ip, end, side);
	return TO_SOCKET;
}

INLINE enum action decide(const struct ethernet *eth, void *end, enum side side)
{
	if ((void *)(eth + 1) > end)
		return DROP_L2_SHORT;
	switch (be16(eth->type)) {
	case TYPE_ARP:
		return arp(eth, end, side);
	case TYPE_IPV4:
		return ipv4(eth, end, side);
	case TYPE_SLOW:
	case TYPE_LLDP:
		return PASS_OTHER;
	default:
		return TO_SOCKET;
	}
}

INLINE int steer(struct xdp_md *context, enum side side)
{
	void *end = (void *)(long)context->data_end;
	const struct ethernet *eth = (void *)(long)context->data;
	u32 queue = context->rx_queue_index;
	struct counts *counts = map_lookup(&sluice_counts, &queue);

	// A queue beyond the maps cannot have a socket: the loader refuses such a device.
	if (!counts)
		return XDP_DROP;
	counts->of[SEEN]++;

	enum action action = decide(eth, end, side);
	int verdict = XDP_DROP;

	if (action == TO_SOCKET) {
		verdict = redirect_map(&sluice_sockets, queue, XDP_DROP);
		if (verdict != XDP_REDIRECT)
			action = DROP_NO_SOCKET;
	} else if (action == PASS_HOST || action == PASS_ARP || action == PASS_OTHER) {
		verdict = XDP_PASS;
	}
	if (action < ACTIONS)
		counts->of[action]++;
	return verdict;
}

SECTION("xdp")
int sluice_inside(struct xdp_md *context)
{
	return steer(context, INSIDE);
}

SECTION("xdp")
int sluice_outside(struct xdp_md *context)
{
	return steer(context, OUTSIDE);
}

char sluice_license[] SECTION("license") = "Dual MIT/GPL";
