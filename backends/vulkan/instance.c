/* SPDX-License-Identifier: Apache-2.0 */
/*
 * instance.c - the process's VkInstance, the validation layer, and the list of
 * GPUs.  Invariant: the list is sorted by type, name and UUID, so that
 * "vulkan:1" is the same device whatever order the loader found them in.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/vulkan/vulkan.h"

#define LAYER "VK_LAYER_KHRONOS_validation"

struct vulkan_inst vulkan_inst;

static struct {
    pthread_mutex_t lock;
    unsigned count; /* since the last take */
    char first[400];
} complaints = { .lock = PTHREAD_MUTEX_INITIALIZER };

static VKAPI_ATTR VkBool32 VKAPI_CALL
complain(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
         VkDebugUtilsMessageTypeFlagsEXT types,
         const VkDebugUtilsMessengerCallbackDataEXT *data, void *user)
{
    (void)severity;
    (void)types;
    (void)user;
    if (vulkan_quirk_ignores(data->pMessageIdName))
        return VK_FALSE;
    pthread_mutex_lock(&complaints.lock);
    if (complaints.count++ == 0)
        snprintf(complaints.first, sizeof complaints.first, "%s",
                 data->pMessage ? data->pMessage : "(no text)");
    pthread_mutex_unlock(&complaints.lock);
    return VK_FALSE;
}

halError_t vulkan_complaints_take(void)
{
    halError_t st = halSuccess;

    if (!vulkan_inst.validation)
        return halSuccess;
    pthread_mutex_lock(&complaints.lock);
    if (complaints.count) {
        st = hal_fail(halErrorInternal,
                      "vulkan: the validation layer complained %u time%s, "
                      "first: %s",
                      complaints.count, complaints.count == 1 ? "" : "s",
                      complaints.first);
        complaints.count = 0;
    }
    pthread_mutex_unlock(&complaints.lock);
    return st;
}

static halError_t layer_check(const struct vulkan_inst_fn *fn)
{
    VkLayerProperties *layers = NULL;
    uint32_t n = 0, i;
    halError_t st = halSuccess;

    VULKAN_OR_GOTO(out, st, NULL,
                   fn->EnumerateInstanceLayerProperties(&n, NULL));
    layers = calloc(n ? n : 1, sizeof *layers);
    if (!layers) {
        st = hal_fail(halErrorHostMemory, "vulkan: %u layers", n);
        goto out;
    }
    VULKAN_OR_GOTO(out, st, NULL,
                   fn->EnumerateInstanceLayerProperties(&n, layers));
    for (i = 0; i < n; i++)
        if (!strcmp(layers[i].layerName, LAYER))
            goto out;
    st = hal_fail(halErrorNoDriver,
                  "vulkan: HALCYON_VULKAN_VALIDATION is set, but " LAYER
                  " is not installed; install vulkan-validationlayers");
out:
    free(layers);
    return st;
}

static const VkDebugUtilsMessengerCreateInfoEXT messenger_info = {
    .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
    .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                       VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
    .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
    .pfnUserCallback = complain,
};

static halError_t inst_create(struct vulkan_inst *inst)
{
    static const char *const layers[] = { LAYER };
    static const char *const extensions[] = { "VK_EXT_debug_utils" };
    static const VkValidationFeatureEnableEXT enables[] = {
        VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT,
        VK_VALIDATION_FEATURE_ENABLE_GPU_ASSISTED_EXT,
        VK_VALIDATION_FEATURE_ENABLE_GPU_ASSISTED_RESERVE_BINDING_SLOT_EXT,
    };
    const VkValidationFeaturesEXT features = {
        .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
        .pNext = &messenger_info,
        .enabledValidationFeatureCount = inst->validation > 1 ? 3 : 1,
        .pEnabledValidationFeatures = enables,
    };
    const VkApplicationInfo app = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pEngineName = "halcyon",
        .engineVersion = HAL_VERSION,
        .apiVersion = VK_API_VERSION_1_2,
    };
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pNext = inst->validation ? &features : NULL,
        .pApplicationInfo = &app,
        .enabledLayerCount = inst->validation ? 1 : 0,
        .ppEnabledLayerNames = layers,
        .enabledExtensionCount = inst->validation ? 1 : 0,
        .ppEnabledExtensionNames = extensions,
    };
    VkResult r = inst->fn.CreateInstance(&info, NULL, &inst->handle);

    if (r == VK_ERROR_INCOMPATIBLE_DRIVER)
        return hal_fail(halErrorNoDriver,
                        "vulkan: no driver is installed; install "
                        "mesa-vulkan-drivers (or the GPU's)");
    if (r != VK_SUCCESS)
        return vulkan_fail(NULL, r, "CreateInstance");
    return halSuccess;
}

/* ---- GPUs ------------------------------------------------------------ */

/* NULL when the GPU serves, else what it lacks. */
static const char *gpu_describe(const struct vulkan_inst *inst,
                                VkPhysicalDevice handle,
                                struct vulkan_gpu *out_gpu)
{
    VkQueueFamilyProperties families[16];
    VkPhysicalDeviceTimelineSemaphoreFeatures timeline = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES
    };
    VkPhysicalDeviceFeatures2 features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = &timeline
    };
    VkPhysicalDeviceIDProperties id = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES
    };
    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
        .pNext = &id
    };
    VkPhysicalDeviceProperties2 props = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &driver
    };
    uint32_t n = 16, i, best = UINT32_MAX;

    inst->fn.GetPhysicalDeviceProperties(handle, &props.properties);
    if (props.properties.apiVersion < VK_API_VERSION_1_2)
        return "lacks Vulkan 1.2";
    inst->fn.GetPhysicalDeviceProperties2(handle, &props);
    inst->fn.GetPhysicalDeviceFeatures2(handle, &features);
    if (!timeline.timelineSemaphore)
        return "lacks timelineSemaphore";
    inst->fn.GetPhysicalDeviceQueueFamilyProperties(handle, &n, families);
    for (i = 0; i < n; i++) {
        if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) ||
            !families[i].queueCount)
            continue;
        /* A family without graphics is the one meant for compute. */
        if (best == UINT32_MAX ||
            (families[best].queueFlags & VK_QUEUE_GRAPHICS_BIT &&
             !(families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT)))
            best = i;
    }
    if (best == UINT32_MAX)
        return "has no compute queue";
    driver.pNext = NULL;
    *out_gpu = (struct vulkan_gpu){
        .handle = handle,
        .props = props.properties,
        .driver = driver,
        .family = best,
        .n_queues = families[best].queueCount < VULKAN_QUEUES_MAX
                        ? families[best].queueCount
                        : VULKAN_QUEUES_MAX,
        .stamp_bits = families[best].timestampValidBits,
    };
    memcpy(out_gpu->uuid, id.deviceUUID, sizeof out_gpu->uuid);
    out_gpu->quirks = vulkan_quirks_of(&out_gpu->props, &out_gpu->driver,
                                       out_gpu->stamp_bits);
    return NULL;
}

static int type_rank(VkPhysicalDeviceType type)
{
    switch ((int)type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
        return 0;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
        return 1;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
        return 2;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
        return 3;
    }
    return 4;
}

static int gpu_order(const void *left, const void *right)
{
    const struct vulkan_gpu *a = left, *b = right;
    int order = type_rank(a->props.deviceType) - type_rank(b->props.deviceType);

    if (!order)
        order = strcmp(a->props.deviceName, b->props.deviceName);
    if (!order)
        order = memcmp(a->uuid, b->uuid, sizeof a->uuid);
    return order;
}

static halError_t gpus_list(struct vulkan_inst *inst)
{
    VkPhysicalDevice handles[32];
    uint32_t n = 32, i;
    char note[200] = "";
    VkResult r = inst->fn.EnumeratePhysicalDevices(inst->handle, &n, handles);

    if (r == VK_ERROR_INITIALIZATION_FAILED || (r == VK_SUCCESS && n == 0))
        return hal_fail(halErrorNoDriver,
                        "vulkan: the loader works but finds no device; "
                        "install mesa-vulkan-drivers (or the GPU's)");
    if (r != VK_SUCCESS && r != VK_INCOMPLETE)
        return vulkan_fail(NULL, r, "EnumeratePhysicalDevices");
    inst->gpus = calloc(n, sizeof *inst->gpus);
    if (!inst->gpus)
        return hal_fail(halErrorHostMemory, "vulkan: %u devices", n);
    for (i = 0; i < n; i++) {
        const char *lacks =
            gpu_describe(inst, handles[i], &inst->gpus[inst->n_gpus]);
        VkPhysicalDeviceProperties props;

        if (!lacks) {
            inst->n_gpus++;
            continue;
        }
        inst->fn.GetPhysicalDeviceProperties(handles[i], &props);
        snprintf(note, sizeof note, "%.120s %s", props.deviceName, lacks);
    }
    if (!inst->n_gpus)
        return hal_fail(halErrorNoDriver,
                        "vulkan: no device serves: %s; install a newer "
                        "mesa-vulkan-drivers (or the GPU's)",
                        note);
    qsort(inst->gpus, inst->n_gpus, sizeof *inst->gpus, gpu_order);
    return halSuccess;
}

/* ---- open and close -------------------------------------------------- */

void vulkan_inst_close(void)
{
    struct vulkan_inst *inst = &vulkan_inst;

    if (inst->messenger)
        inst->fn.DestroyDebugUtilsMessengerEXT(inst->handle, inst->messenger,
                                               NULL);
    /* Without INSTANCE functions there is nothing to destroy it with. */
    if (inst->handle && inst->fn.DestroyInstance)
        inst->fn.DestroyInstance(inst->handle, NULL);
    free(inst->gpus);
    vulkan_lib_close(inst->lib);
    memset(inst, 0, sizeof *inst);
}

halError_t vulkan_inst_open(void)
{
    const char *validation = getenv("HALCYON_VULKAN_VALIDATION");
    struct vulkan_inst *inst = &vulkan_inst;
    uint32_t version = 0;
    halError_t st;

    vulkan_inst_close();
    inst->validation = validation ? atoi(validation) : 0;
    if (inst->validation < 0)
        inst->validation = 0;
    complaints.count = 0;

    st = vulkan_lib_open(&inst->fn, &inst->lib);
    if (st != halSuccess)
        goto out;
    VULKAN_OR_GOTO(out, st, NULL, inst->fn.EnumerateInstanceVersion(&version));
    if (version < VK_API_VERSION_1_2) {
        st = hal_fail(halErrorNoDriver,
                      "vulkan: the loader speaks %u.%u, 1.2 is needed; "
                      "install a newer libvulkan1",
                      VK_API_VERSION_MAJOR(version),
                      VK_API_VERSION_MINOR(version));
        goto out;
    }
    if (inst->validation) {
        st = layer_check(&inst->fn);
        if (st != halSuccess)
            goto out;
    }
    st = inst_create(inst);
    if (st != halSuccess)
        goto out;
    st = vulkan_load_instance(&inst->fn, inst->handle);
    if (st != halSuccess)
        goto out;
    if (inst->validation && inst->fn.CreateDebugUtilsMessengerEXT &&
        inst->fn.DestroyDebugUtilsMessengerEXT)
        VULKAN_OR_GOTO(
            out, st, NULL,
            inst->fn.CreateDebugUtilsMessengerEXT(inst->handle, &messenger_info,
                                                  NULL, &inst->messenger));
    st = gpus_list(inst);
out:
    if (st != halSuccess)
        vulkan_inst_close();
    return st;
}
