use super::*;

fn tree(paths: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for path in paths {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    root
}

#[test]
fn the_newest_kernel_s_image_comes_first_under_any_distribution_s_name() {
    let root = tree(&[
        "lib/modules/6.1.0-9-amd64/modules.dep",
        "lib/modules/6.1.0-18-amd64/modules.dep",
        "lib/modules/5.14.0-70.el9.x86_64/modules.dep",
        "lib/modules/6.12.1/modules.dep",
        "lib/modules/7.0.0/modules.dep",
        "boot/initrd.img-6.1.0-9-amd64",
        "boot/initrd.img-6.1.0-18-amd64",
        "boot/initramfs-5.14.0-70.el9.x86_64.img",
        "boot/initrd-6.12.1",
        "boot/initrd.img-4.0.0",
    ]);
    let found = installed(root.path());
    let names: Vec<&str> =
        found.iter().map(|(_, path)| path.file_name().unwrap().to_str().unwrap()).collect();
    let images = [
        "initrd-6.12.1",
        "initrd.img-6.1.0-18-amd64",
        "initrd.img-6.1.0-9-amd64",
        "initramfs-5.14.0-70.el9.x86_64.img",
    ];
    assert_eq!(names, images);
}

#[test]
fn the_boot_loader_specification_has_a_directory_for_each_machine() {
    let id = "0123456789abcdef0123456789abcdef";
    let entry = format!("boot/{id}/6.5.0/initrd");
    let root = tree(&["usr/lib/modules/6.5.0/modules.dep", &entry]);
    let (release, path) = installed(root.path()).remove(0);
    assert_eq!((release.as_str(), path), ("6.5.0", root.path().join(entry)));
}

#[test]
fn a_unified_kernel_image_is_its_kernel_s_where_there_is_no_other() {
    let root = tree(&[
        "lib/modules/6.12.41+deb13-amd64/modules.dep",
        "lib/modules/6.12.40+deb13-amd64/modules.dep",
        "lib/modules/6.6.0/modules.dep",
        "lib/modules/6.1.0/modules.dep",
        "boot/initrd.img-6.1.0",
        "boot/efi/EFI/Linux/0123-6.12.41+deb13-amd64.efi",
        "boot/efi/EFI/Linux/0123-6.12.40+deb13-amd64+3-1.efi",
        "boot/efi/EFI/Linux/0123-6.12.41+deb13-amd64.efi.sig",
        "boot/efi/EFI/Linux/0123-6.1.0.efi",
        "boot/efi/EFI/Linux/16.6.0.efi",
    ]);
    let found: Vec<PathBuf> = installed(root.path()).into_iter().map(|(_, path)| path).collect();
    let images = [
        "boot/efi/EFI/Linux/0123-6.12.41+deb13-amd64.efi",
        "boot/efi/EFI/Linux/0123-6.12.40+deb13-amd64+3-1.efi",
        "boot/initrd.img-6.1.0",
    ];
    assert_eq!(found, images.map(|path| root.path().join(path)));
}

#[test]
fn a_kernel_without_an_image_is_told_and_modules_without_a_kernel_are_not() {
    let root = tree(&[
        "lib/modules/6.13.0/modules.dep",
        "lib/modules/6.12.0/modules.dep",
        "lib/modules/6.1.0/modules.dep",
        "boot/initrd.img-6.1.0",
        "boot/vmlinuz-6.1.0",
    ]);
    assert_eq!(without(root.path()), None);
    fs::write(root.path().join("boot/vmlinuz-6.12.0"), "").unwrap();
    assert_eq!(without(root.path()).as_deref(), Some("6.12.0"));
    fs::write(root.path().join("boot/initrd.img-6.12.0"), "").unwrap();
    assert_eq!(without(root.path()), None);
    fs::write(root.path().join("lib/modules/6.13.0/vmlinuz"), "").unwrap();
    assert_eq!(without(root.path()).as_deref(), Some("6.13.0"));
}

#[test]
fn zeros_between_archives_are_passed_over() {
    let mut bytes = &[0, 0, 0, 0, 0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3][..];
    assert_eq!(next(&mut bytes).unwrap().unwrap(), [0x28, 0xb5, 0x2f, 0xfd, 1, 2]);
    assert_eq!(next(&mut &[0; 9000][..]).unwrap(), None);
}

#[test]
fn a_pipe_is_not_waited_for() {
    let root = tempfile::tempdir().unwrap();
    let pipe = root.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
    let error = read(root.path(), &pipe, &|_| false).unwrap_err();
    assert_eq!(error.to_string(), "not a regular file");
}
