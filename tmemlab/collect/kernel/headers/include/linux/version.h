/* Programs here never compare versions: they are told what the running kernel has. */
#define LINUX_VERSION_CODE 0
#define KERNEL_VERSION(major, minor, patch) 0
