# Two commands do everything on a fresh machine: `make demo` and `make test`.
# `make && sudo make install` is for users, `make install DESTDIR= prefix=` for packagers.

prefix     = /usr
bindir     = $(prefix)/bin
mandir     = $(prefix)/share/man
docdir     = $(prefix)/share/doc/bek-unlock
systemddir = $(prefix)/lib/systemd
scriptdir  = $(prefix)/lib/bek-unlock
# initramfs-tools itself looks below /usr/share and /etc only.
initramfstoolsdir = $(prefix)/share/initramfs-tools
bashcompdir = $(prefix)/share/bash-completion/completions
# Debian's zsh looks in vendor-completions, too; everybody's in site-functions.
zshcompdir = $(prefix)/share/zsh/site-functions
fishcompdir = $(prefix)/share/fish/vendor_completions.d
# Where libcryptsetup looks for plugins, whatever prefix is. With /usr merged, /lib is another name.
tokendir   = $(patsubst /lib/%,/usr/lib/%,$(shell pkg-config --variable=libdir libcryptsetup))/cryptsetup
# dracut looks nowhere else; below prefix for packagers, who have /usr there.
dracutdir  = $(prefix)/lib/dracut/modules.d
CARGO      = cargo
RELEASE    = target/release
# Puts together what opening a volume runs: 1.8 MB less in memory, and to read at boot. The linkers
# of GNU and LLVM read it; for one that does not: make LAYOUT=
LAYOUT     = -C link-arg=-Wl,-T,src/opening.ld
# The same sources and compiler make the same bytes, whoever builds them where: no path of this
# machine gets into a program. RUSTFLAGS of the environment are kept; those of cargo's configuration
# are not, because cargo takes either.
REMAP      = --remap-path-prefix=$(CURDIR)=/usr/src/bek-unlock \
             --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/usr/src/cargo
BUILD      = RUSTFLAGS='$(strip $(RUSTFLAGS) $(REMAP))' packaging/cargo $(CARGO)
# It knows the path of the program, so there is one for each.
PLUGIN     = $(RELEASE)/token-plugin$(bindir)/libcryptsetup-token-bek-unlock.so
MANUALS    = $(patsubst docs/man/%.scd,target/man/%,$(wildcard docs/man/*.scd))

# The pages are dated by the packages' last change, not by the day they are made.
man: export SOURCE_DATE_EPOCH ?= $(shell date --utc +%s --date "$$(sed -n 's/^ -- .*>  //p' \
    packaging/debian/changelog | head -n 1)")

.PHONY: all build plugin man check check-root check-vm test bench fleet fuzz demo install clean
.PHONY: deb rpm

all: build man

build:
	tests/setup.sh build
	$(BUILD) build --release --locked --package bek-unlock-token
	$(BUILD) build --release --locked --bin bek-unlock-generator
	$(BUILD) rustc --release --locked --bin bek-unlock -- $(LAYOUT)
	$(MAKE) --no-print-directory plugin

plugin: $(PLUGIN)

$(PLUGIN): $(RELEASE)/libbek_unlock_token.a token-plugin/link token-plugin/program.c token-plugin/exports.map
	@mkdir -p $(@D)
	CC='$(CC)' CFLAGS='$(CFLAGS)' LDFLAGS='$(LDFLAGS)' token-plugin/link $< $(bindir)/bek-unlock $@

man: $(MANUALS)

target/man/%: docs/man/%.scd
	@mkdir -p $(@D)
	scdoc < $< > $@

# Format, lints, unit and fixture tests, docs: no root (but for missing packages), no network.
check:
	tests/setup.sh check
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) test --workspace --locked
	$(CARGO) build --locked --package bek-unlock-token
	tests/token-plugin.sh
	tests/completions.sh
	tests/install.sh
	tests/dracut/module.sh
	tests/initramfs-tools/scripts.sh
	tests/lint.sh

# Real dm-crypt, vfat and loop: on this kernel where it has them, else in one VM. And the Azure
# emulator before Azure's own SDK, in a network of its own.
check-root:
	tests/setup.sh root
	tests/emulator/python/run.sh
	tests/root/run

# Real boots of Debian under QEMU; no KVM needed. First what the release build weighs, and what its
# packages are.
check-vm:
	tests/setup.sh vm
	tests/budget/run
	tests/packages/run
	tests/packages/rpms
	tests/dracut/images
	tests/vm/run

test: check check-root check-vm

# Side by side with other tools: ratios to read, no verdict.
bench: build fleet
	tests/setup.sh bench
	tests/bench/run
	tests/bench/initramfs
	tests/bench/boot

# Ten thousand VMs before one vault, simulated; writes tables and plot of docs/performance.md.
fleet:
	tests/setup.sh build
	$(CARGO) bench --profile dev --locked --bench fleet

# libFuzzer on every parser of outside bytes, FUZZ_SECONDS each; `make check` runs the same targets
# on their seeds, damage and what once broke one.
fuzz:
	tests/setup.sh fuzz
	tests/fuzz/run

demo:
	@tests/setup.sh vm
	@tests/vm/demo

# Unit and plugin name the binary by its absolute path, so they follow bindir.
install: man $(PLUGIN)
	install -D -m 0755 $(RELEASE)/bek-unlock $(DESTDIR)$(bindir)/bek-unlock
	install -D -m 0755 $(RELEASE)/bek-unlock-generator \
	    $(DESTDIR)$(systemddir)/system-generators/bek-unlock-generator
	install -D -m 0644 -t $(DESTDIR)$(tokendir) $(PLUGIN)
	@# One plugin knows both types of tokens, and libcryptsetup finds it by the type in the name.
	ln -sf libcryptsetup-token-bek-unlock.so \
	    $(DESTDIR)$(tokendir)/libcryptsetup-token-Azure_Disk_Encryption.so
	install -d $(DESTDIR)$(systemddir)/system $(DESTDIR)$(systemddir)/catalog
	for unit in systemd/*.service systemd/*.socket systemd/*.target; do \
	    to="$(DESTDIR)$(systemddir)/system/$$(basename "$$unit")"; \
	    install -m 0644 "$$unit" "$$to" && \
	        sed -i 's|/usr/bin/bek-unlock|$(bindir)/bek-unlock|g' "$$to" || exit 1; \
	done
	@# Its own name has a backslash in it, which cargo package refuses.
	install -m 0644 systemd/bek-unlock.slice \
	    '$(DESTDIR)$(systemddir)/system/system-bek\x2dunlock.slice'
	install -D -m 0644 systemd/bek-unlock@.service.d/10-umount.conf \
	    '$(DESTDIR)$(systemddir)/system/bek-unlock@.service.d/10-umount.conf'
	install -d $(DESTDIR)$(dracutdir)/50bek-unlock
	install -m 0755 dracut/50bek-unlock/*.sh $(DESTDIR)$(dracutdir)/50bek-unlock/
	install -m 0644 dracut/50bek-unlock/*.conf $(DESTDIR)$(dracutdir)/50bek-unlock/
	install -m 0644 systemd/bek-unlock.catalog $(DESTDIR)$(systemddir)/catalog/
	for script in hooks scripts/local-top scripts/local-bottom; do \
	    to="$(DESTDIR)$(initramfstoolsdir)/$$script/bek-unlock"; \
	    install -D -m 0755 "initramfs-tools/$$script/bek-unlock" "$$to" && \
	        sed -i 's|=/usr/bin/|=$(bindir)/|' "$$to" || exit 1; \
	done
	install -D -m 0755 initramfs-tools/keyscript $(DESTDIR)$(scriptdir)/keyscript
	sed -i 's|/usr/bin/bek-unlock|$(bindir)/bek-unlock|' $(DESTDIR)$(scriptdir)/keyscript
	install -D -m 0644 -t $(DESTDIR)$(docdir) README.md CHANGELOG.md docs/*.md docs/*.svg LICENSE*
	@# Each under the name that its shell looks for.
	install -D -m 0644 completions/bek-unlock.bash $(DESTDIR)$(bashcompdir)/bek-unlock
	install -D -m 0644 -t $(DESTDIR)$(zshcompdir) completions/_bek-unlock
	install -D -m 0644 -t $(DESTDIR)$(fishcompdir) completions/bek-unlock.fish
	for page in $(MANUALS); do \
	    install -D -m 0644 "$$page" \
	        "$(DESTDIR)$(mandir)/man$${page##*.}/$$(basename "$$page")" || exit 1; \
	done
	@# Into the running system, not into a package's tree: systemd is told what is new.
	@if [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; then \
	    systemctl daemon-reload && journalctl --update-catalog; \
	fi

# What `make build` has made, as a distribution packages it: target/deb, target/rpm.
deb: build
	tests/setup.sh deb
	packaging/make-deb $(RELEASE)

rpm: build
	tests/setup.sh rpm
	packaging/make-rpm $(RELEASE)

clean:
	$(CARGO) clean
